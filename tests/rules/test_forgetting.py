"""A case that was forgotten can be read nowhere: not in the store, not in its files, not in any backup of it."""

from __future__ import annotations

import errno
import gzip
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from rules.notify.docket import Docket
from rules.notify.outbox import Outbox
from rules.notify.planning import begin
from rules.store import CaseRow, FindingRow, Store, StoreError
from rules.store.backup import back_up, read_keys, restore
from rules.store.chain import Head
from rules.store.elsewhere import Attempt
from rules.store.forgetting import NOT_TRIED, Purge, destroy, destroyed_before, forget, try_to_read
from rules.store.glass import GlassLog
from rules.store.keys import live_keys
from rules.versions import CaseVersion
from tests.rules.first_store import a_case
from tests.rules.told_cases import START, Hands

GONE = "zyxgotcha.example"
OTHER = "kept.example"


class District:
    """A store with two cases, of which one is to be forgotten."""

    def __init__(self, address: str) -> None:
        self.clock = Hands()
        self.store = Store(address, clock=self.clock)
        for case_id, subject in (("aa", GONE), ("bb", OTHER)):
            self.see(case_id, subject)
            self.store.act(case_id, act="noted", by="officer", text=f"Look at {subject}")
            self.store.act(case_id, act="disputed", by="officer", text=f"{subject} is ours", reason="other_cause")

    def see(self, case_id: str, subject: str, *, version: int = 1, **changes: object) -> None:
        """Commit a version of a case with a finding, as the embedded service does."""
        case = a_case(case_id, subject=subject, summary=f"MathTrek meets {subject}", **changes)
        evidence = json.dumps({"v": 1, "days": [], "windows": [], "days_left_out": 0, "words": subject})
        body = json.dumps(case).encode()
        row = CaseRow(id=case_id, version=version, state="open", body=body, evidence=evidence)
        found = FindingRow("mathtrek", case_id, json.dumps({"subject": subject}).encode())
        self.store.commit(findings={f"f-{case_id}": found}, cases=[row], state={}, position=None)

    def forget(self, case_id: str = "aa", **more: float) -> Purge:
        """Forget a case."""
        return forget(self.store, [case_id], by="officer", reason="The vendor left.", **more)


@pytest.fixture
def district(store_address: str) -> Iterator[District]:
    made = District(store_address)
    yield made
    made.store.close()


def octets_of(folder: Path) -> dict[str, bytes]:
    """Return everything that lies in a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_destroyed_where_whoever_is_told_before_refuses(district: District) -> None:
    told: list[Purge] = []

    def refuse(purge: Purge) -> None:
        told.append(purge)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        destroy(district.store, ["aa"], by="officer", reason="The vendor left.", before=refuse)
    assert set(district.store.cases()) == {"aa", "bb"}
    assert "forgotten" not in [entry.kind for entry in district.store.log()]
    (case,) = told[0].cases
    assert {key for _owner, _number, key in case.keys} <= {key.fingerprint for key in district.store.live_keys()}


def test_what_was_destroyed_can_be_told_again_from_the_log(district: District) -> None:
    assert destroyed_before(district.store, ["aa", "bb"]) == ()
    before = district.forget()
    district.clock.at += timedelta(days=1)
    district.store.act("bb", act="noted", by="officer", text="The log goes on.")
    (again,) = destroyed_before(district.store, ["aa", "bb"])
    (case,) = before.cases
    assert again.purge == replace(before, cases=(replace(case, findings=None),), tried=NOT_TRIED)
    tried = try_to_read(district.store, again).tried
    assert (tried.opened, tried.samples > 0, tried.key_octets_found) == (0, True, None)


def test_a_case_that_an_earlier_release_forgot_is_told_again_without_hashes(tmp_path: Path) -> None:
    district = District(f"sqlite:///{tmp_path}/cases.db")
    (case,) = district.forget().cases
    with district.store.database.writing() as connection:
        for name in (
            connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        ):
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(sa.text("UPDATE case_log SET entry = json_remove(entry, '$.keys') WHERE kind = 'forgotten'"))
    (again,) = destroyed_before(district.store, ["aa"])
    assert again.purge.cases[0].keys == tuple((owner, number, "") for owner, number, _key in case.keys)
    district.store.close()


def test_nothing_of_a_case_lies_in_the_files_of_a_store_in_the_clear(tmp_path: Path) -> None:
    district = District(f"sqlite:///{tmp_path}/cases.db")
    assert any(b"aa" in octets for octets in octets_of(tmp_path).values())
    assert [name for name, octets in octets_of(tmp_path).items() if b"gotcha" in octets] == []
    district.store.close()


def test_a_forgotten_case_is_gone_for_every_reader_and_the_other_stays(district: District) -> None:
    purge = district.forget()
    store = district.store
    assert (purge.is_complete, purge.tried.opened) == (True, 0)
    assert purge.tried.samples >= 6
    assert purge.tried.keys == 1
    assert (list(store.cases()), store.case("aa"), list(store.case_bodies(["aa", "bb"]))) == (["bb"], None, ["bb"])
    assert [json.loads(body)["subject"] for body in store.findings()] == [OTHER]
    assert [mark.id for mark in store.case_marks()] == ["bb"]
    assert [json.loads(entry.entry) for entry in store.log("aa")[:-1]] == [{"v": 1, "unreadable": True}] * 3
    hashes = [{"of": owner, "number": number, "sha256": key} for owner, number, key in purge.cases[0].keys]
    assert {each["of"] for each in hashes} >= {"aa"}
    assert json.loads(store.log("aa")[-1].entry) | {"until": ""} == {
        "v": 1, "by": "officer", "text": "The vendor left.", "until": "", "keys": hashes,
    }  # fmt: skip
    assert [entry.entry.count(OTHER) > 0 for entry in store.log("bb")] == [True] * 3
    (gone,) = store.unreadable()
    assert gone.words == "forgotten on 2026-10-14 by officer: The vendor left."


def test_the_chain_of_the_log_holds_after_forgetting_and_still_shows_changes(district: District) -> None:
    before = district.store.verify()
    purge = district.forget()
    assert isinstance(before, Head)
    assert district.store.verify([before]) == purge.head == Head(entries=7, hash=purge.head.hash)


def test_the_key_is_in_no_file_of_the_database_and_opens_nothing_of_before(tmp_path: Path) -> None:
    district = District(f"sqlite:///{tmp_path}/cases.db")
    key = next(key for key in district.store.live_keys() if key.case_id == "aa")
    (tmp_path / "copy.db").write_bytes(b"".join(octets_of(tmp_path).values()))
    assert any(key.octets in octets for octets in octets_of(tmp_path).values())
    (tmp_path / "copy.db").unlink()
    purge = district.forget()
    assert (purge.tried.scrubbed, purge.tried.key_octets_found) == (True, False)
    assert [name for name, octets in octets_of(tmp_path).items() if key.octets in octets] == []
    assert key.fingerprint in {digest for _case, _number, digest in purge.cases[0].keys}
    district.store.close()


def test_who_reads_without_end_keeps_old_pages_and_the_purge_says_so(tmp_path: Path) -> None:
    district, reader = District(f"sqlite:///{tmp_path}/cases.db"), Store(f"sqlite:///{tmp_path}/cases.db")
    with reader.database.reading() as connection:
        assert list(live_keys(connection))
        purge = district.forget(patience_s=0.05)
    assert (purge.tried.scrubbed, purge.tried.key_octets_found, purge.is_complete) == (False, True, False)
    reader.close()
    district.store.close()


def test_what_was_seen_up_to_then_makes_no_case_again_and_what_is_seen_later_does(district: District) -> None:
    purge = district.forget()
    district.see("aa", GONE, version=2)
    assert (district.store.case("aa"), len(district.store.unreadable())) == (None, 1)
    late = "2026-10-20T08:00:00.000000Z"
    assert purge.cases[0].until < late
    district.see("aa", GONE, version=3, first_seen=late, last_seen=late)
    again = district.store.case("aa")
    assert again is not None
    assert (again.version, again.status, district.store.unreadable()) == (3, "new", [])
    kinds = [(entry.kind, "unreadable" in entry.entry) for entry in district.store.log("aa")]
    assert kinds == [("opened", True), ("noted", True), ("disputed", True), ("forgotten", False), ("opened", False)]
    assert {key.number for key in district.store.live_keys() if key.case_id == "aa"} == {2}


def test_what_two_cases_share_goes_with_the_last_of_them(district: District) -> None:
    district.see("cc", GONE)
    first = district.forget("aa")
    second = district.forget("cc")
    assert [len(purge.cases[0].keys) for purge in (first, second)] == [1, 1]
    about = [key for key in district.store.live_keys() if key.case_id.startswith("about-")]
    assert about == []


def test_a_case_is_forgotten_once_and_only_where_there_is_one(district: District) -> None:
    district.forget()
    with pytest.raises(StoreError, match="forgotten already"):
        district.forget()
    with pytest.raises(StoreError, match="no case nobody"):
        district.forget("nobody")
    with pytest.raises(StoreError, match="cannot be read any more"):
        district.store.act("aa", act="noted", by="officer", text="More")


def test_a_docket_that_begins_later_knows_of_no_alert(district: District) -> None:
    running = Docket()
    list(running.read(district.store.log()))
    district.forget()
    changes = list(running.read(district.store.log(after=running.seq)))
    fresh = Docket()
    list(fresh.read(district.store.log()))
    for docket in (running, fresh):
        standing = docket.standing("aa")
        assert standing is not None
        assert (standing.open, standing.status, GONE in str(standing.view)) == (False, "forgotten", False)
        assert all(spell.until for spell in standing.spells)
    assert [change.kind for change in changes] == ["forgotten"]


def test_what_waited_to_be_told_is_not_told(store_address: str) -> None:
    store = Store(store_address, clock=Hands())
    store.keep([CaseVersion(id="aa", version=1, state="open", body=json.dumps(a_case("aa")))], parts=())
    docket, outbox = Docket(), Outbox(store.database)
    list(docket.read(store.log()))
    outbox.plan("mail", begin(docket, now=START), planned=docket.seq, now=1)
    assert [one.item.case_id for one in outbox.waiting("mail")] == ["aa"]
    forget(store, ["aa"], by="officer", reason="Because.")
    assert list(outbox.waiting("mail")) == []
    store.close()


def test_a_backup_holds_no_key_and_nothing_in_the_clear(district: District, tmp_path: Path) -> None:
    back_up(district.store, tmp_path / "backup.gz")
    text = gzip.decompress((tmp_path / "backup.gz").read_bytes())
    assert b"gotcha" not in text
    assert [line for line in text.splitlines() if b'"key":{' in line] == []


def test_a_file_of_keys_is_its_owners_alone_and_replaced_each_time(district: District, tmp_path: Path) -> None:
    keys = tmp_path / "keys.gz"
    back_up(district.store, tmp_path / "one.gz", keys=keys)
    before = keys.read_bytes()
    district.forget()
    back_up(district.store, tmp_path / "two.gz", keys=keys)
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert keys.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("store")) == [
        "keys.gz", "one.gz", "two.gz",
    ]  # fmt: skip


def test_the_keys_of_earlier_backups_are_never_replaced_by_those_of_a_store_begun_anew(
    district: District, new_store: Callable[[], str], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.gz"
    back_up(district.store, tmp_path / "one.gz", keys=keys)
    octets, begun_anew = keys.read_bytes(), District(new_store())
    empty, blind = Store(new_store()), Store(new_store())
    restore(blind, tmp_path / "one.gz")
    for other in (empty, begun_anew.store, blind):
        with pytest.raises(StoreError, match=r"never had.*name another file for --keys") as told:
            back_up(other, tmp_path / "two.gz", keys=keys)
        assert "nothing was written" in str(told.value)
        assert (keys.read_bytes(), (tmp_path / "two.gz").exists()) == (octets, False)
        other.close()
    for octets in (b"", b"my notes"):
        keys.write_bytes(octets)
        with pytest.raises(StoreError, match="is no whole file of keys, and is not replaced; name another file"):
            back_up(district.store, tmp_path / "two.gz", keys=keys)
        assert keys.read_bytes() == octets


def test_the_file_of_keys_of_a_restored_store_is_its_own(
    district: District, new_store: Callable[[], str], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.gz"
    back_up(district.store, tmp_path / "one.gz", keys=keys)
    whole = Store(new_store())
    restore(whole, tmp_path / "one.gz", keys=keys)
    forget(whole, ["aa"], by="ada", reason="Because.")
    back_up(whole, tmp_path / "two.gz", keys=keys)
    assert [row["case_id"] for row in read_keys(keys)].count("aa") == 0
    whole.close()


def test_a_backup_from_before_is_read_with_its_keys_alone(
    district: District, new_store: Callable[[], str], tmp_path: Path
) -> None:
    back_up(district.store, tmp_path / "backup.gz", keys=tmp_path / "keys.gz")
    whole, blind = Store(new_store()), Store(new_store())
    assert restore(whole, tmp_path / "backup.gz", keys=tmp_path / "keys.gz").without == 0
    assert whole.cases() == district.store.cases()
    assert restore(blind, tmp_path / "backup.gz").without == 2
    assert (blind.cases(), list(blind.findings())) == ({}, [])
    assert [(gone.id, gone.at) for gone in blind.unreadable()] == [("aa", None), ("bb", None)]
    assert isinstance(blind.verify(), Head)
    for store in (whole, blind):
        store.close()


def test_no_old_file_of_keys_brings_a_forgotten_case_back(
    district: District, new_store: Callable[[], str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old.gz", tmp_path / "new.gz"
    back_up(district.store, tmp_path / "before.gz", keys=old)
    district.forget()
    back_up(district.store, tmp_path / "after.gz", keys=new)
    for backup, keys, forgotten in (("after.gz", old, 1), ("after.gz", new, 0), ("before.gz", new, 0)):
        store = Store(new_store())
        assert restore(store, tmp_path / backup, keys=keys).forgotten == forgotten
        assert list(store.cases()) == ["bb"]
        assert "aa" in {gone.id for gone in store.unreadable()}
        store.close()


def test_it_is_tried_in_backups_and_a_key_that_was_left_somewhere_is_found(district: District, tmp_path: Path) -> None:
    old, new = tmp_path / "old.gz", tmp_path / "new.gz"
    back_up(district.store, tmp_path / "before.gz", keys=old)
    spared = list(district.store.live_keys())
    purge = district.forget()
    back_up(district.store, tmp_path / "after.gz", keys=new)
    left = district.store.live_keys()
    before = Attempt(purge, keys=left).backup(tmp_path / "before.gz")
    assert (before.place, before.opened, (before.pieces or 0) >= 6) == ("Backup before.gz", 0, True)
    assert before.tried == before.pieces
    # Whoever kept the key reads every piece: so the attempt can fail.
    assert Attempt(purge, keys=spared).backup(tmp_path / "before.gz").opened >= 6
    assert Attempt(purge, keys=left).file_of_keys(new).opened == 0
    stale = Attempt(purge, keys=left).file_of_keys(old)
    assert (stale.opened, "replace it" in stale.what) == (1, True)
    (tmp_path / "none.gz").write_bytes(b"no backup")
    for wrong in (tmp_path / "nowhere.gz", tmp_path / "none.gz"):
        for told in (Attempt(purge, keys=left).backup(wrong), Attempt(purge, keys=left).file_of_keys(wrong)):
            assert (told.pieces, told.what[:26]) == (None, "not tried: it cannot be re")
            assert str(tmp_path) not in told.what


def test_whoever_judges_on_without_keys_begins_anew_and_keys_that_come_later_fit(
    district: District, new_store: Callable[[], str], tmp_path: Path
) -> None:
    back_up(district.store, tmp_path / "backup.gz")
    store = Store(new_store())
    restore(store, tmp_path / "backup.gz")
    body = json.dumps(a_case("aa", subject=GONE)).encode()
    (was,) = (gone for gone in store.unreadable() if gone.id == "aa")
    row = CaseRow(id="aa", version=was.version + 1, state="open", body=body)
    store.commit(findings={}, cases=[row], state={}, position=None)
    assert list(store.cases()) == ["aa"]
    assert store.cases()["aa"] == replace(row, status="new")
    assert {key.number for key in store.live_keys()} == {2}
    store.close()


@pytest.mark.parametrize(
    "octets",
    [b"", b"no gzip", gzip.compress(b'{"kind":"x"}\n{"rows":0}\n'), gzip.compress(b"")],
    ids=["empty", "no gzip", "another kind", "nothing"],
)
def test_a_file_that_holds_no_keys_is_refused(
    district: District, new_store: Callable[[], str], tmp_path: Path, octets: bytes
) -> None:
    back_up(district.store, tmp_path / "backup.gz")
    (tmp_path / "keys.gz").write_bytes(octets)
    store = Store(new_store())
    with pytest.raises(StoreError, match="no whole file of keys"):
        restore(store, tmp_path / "backup.gz", keys=tmp_path / "keys.gz")
    assert store.cases() == {}
    store.close()


def test_who_asked_for_break_glass_and_who_allowed_it_can_not_be_forgotten(district: District) -> None:
    """Requests are sealed like cases, with keys of their own; forgetting knows cases alone."""
    log = GlassLog(district.store, clock=district.clock)
    reason = "The resolver told of a botnet at 10:20."
    request = log.ask(by="ivo", role="it", reason=reason, commit=lambda name: f"of {name}")
    log.allow(request, by="ada", role="officer", commitment=f"of {request}")
    with pytest.raises(StoreError, match=f"there is no case {request}"):
        forget(district.store, [request], by="ivo", reason="Nobody shall know.")
    district.forget()
    record = log.record()
    assert [row.given.by for row in record.approvals] == ["ada"]
    assert [(row.by, row.reason) for row in record.requests] == [("ivo", reason)]
    assert isinstance(district.store.verify(), Head)
