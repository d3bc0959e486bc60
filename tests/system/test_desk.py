"""The case desk over HTTP, as people use it: what each role sees and may do, and what is written down of it."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import socket
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rules.desk.access_log import AccessLog
from rules.desk.page import static_files
from rules.desk.server import DeskListenError, DeskServer
from rules.rulebook import RulebookFiles
from rules.service import stored_frame
from rules.settings import Desk
from rules.versions import ReportPart
from tests.system.desk_visitor import (
    CASES,
    HOSTILE,
    PAGES,
    PROOF,
    Desked,
    Visitor,
    case,
    desk,
    field_of,
    signed_in,
)
from tests.system.product import SAMPLE, stray_evidence


@pytest.mark.parametrize("name", ["ada", "ivo", "ann"])
def test_every_role_reads_every_page(shared_desk: Desked, name: str) -> None:
    visitor = signed_in(shared_desk, name)
    for path in PAGES:
        answer = visitor.ask(path)
        assert answer.status == 200, path
        assert answer.headers["cache-control"] == "no-store"
    assert visitor.ask("/access").status == (403 if name == "ivo" else 200)


def test_a_sign_in_leads_back_to_the_page_that_was_asked_for_and_never_elsewhere(shared_desk: Desked) -> None:
    asked = Visitor(desk=shared_desk).ask("/cases?q=a%26b").headers["location"]
    assert asked == "/sign-in?next=%2Fcases%3Fq%3Da%2526b"
    page = Visitor(desk=shared_desk).ask(asked).text
    assert field_of(page, "next") == "/cases?q=a%26b"
    hostile = ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\tx", "\\\\evil")
    for wanted in ("/cases/aaaa0001", *hostile):
        answer = Visitor(desk=shared_desk).sign_in("ada", next_page=wanted)
        assert answer.headers["location"] == ("/cases/aaaa0001" if wanted == "/cases/aaaa0001" else "/cases")


def test_a_signed_out_session_is_over(shared_desk: Desked) -> None:
    visitor = signed_in(shared_desk, "ada")
    kept = visitor.cookie
    assert visitor.send("/sign-out", csrf=visitor.token()).status == 303
    assert Visitor(desk=shared_desk, cookie=kept).ask("/cases").status == 303


def test_the_acts_of_a_case_are_written_into_the_log_with_who_did_them(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    for fields in (
        {"act": "acknowledged"},
        {"act": "asked", "text": "sent today"},
        {"act": "noted", "text": f"line one\r\n{HOSTILE}"},
        {"act": "disputed", "reason": "wrong_file", "text": "wrong school"},
        {"act": "reopened"},
        {"act": "declared"},
        {"act": "reopened"},
        {"act": "breach", "text": "Incident 7"},
        {"act": "closed", "outcome": "settled", "text": ""},
    ):
        answer = ada.act("aaaa0001", **fields)
        assert answer.status == 303, answer.text
        assert answer.headers["location"] == f"/cases/aaaa0001?done={fields['act']}"
    log = [(entry.kind, json.loads(entry.entry)) for entry in own_desk.store.log("aaaa0001")][1:]
    assert [kind for kind, _ in log] == [
        "acknowledged", "asked", "noted", "disputed", "reopened", "declared", "reopened", "breach", "closed",
    ]  # fmt: skip
    assert {said["by"] for _, said in log} == {"ada"}
    assert (log[3][1]["reason"], log[-1][1]["reason"]) == ("wrong_file", "settled")
    assert own_desk.store.cases()["aaaa0001"].status == "closed"
    shown = ada.ask("/cases/aaaa0001").text
    assert "wrong school" in shown
    assert "<script>alert(1)" not in shown
    hidden = signed_in(own_desk, "ivo").ask("/cases/aaaa0001").text
    assert "wrong school" not in hidden
    assert "Called a false positive: Our agreement or network file does not say what is true" in hidden
    assert "for the privacy officer and auditors" in hidden
    assert "wrong school" in signed_in(own_desk, "ann").ask("/cases/aaaa0001").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Choose what you do"),
        ({"act": "nonsense"}, "Choose what you do"),
        ({"act": "reopened"}, "Choose what you do"),
        ({"act": "closed"}, "Choose how it ended"),
        ({"act": "closed", "outcome": "x", "text": "y"}, "Choose how it ended"),
        ({"act": "disputed", "text": "It is theirs."}, "Choose why"),
        ({"act": "disputed", "reason": "whim"}, "Choose why"),
        ({"act": "breach", "text": " \r\n "}, "Write to whom"),
        ({"act": "noted"}, "Write the note"),
        ({"act": "noted", "text": "x" * 4001}, "Shorten"),
    ],
)
def test_a_form_that_will_not_do_comes_back_with_what_to_change(
    shared_desk: Desked, fields: dict[str, str], words: str
) -> None:
    answer = signed_in(shared_desk, "ada").act("aaaa0002", **fields)
    assert answer.status == 422
    assert "There is a problem" in answer.text
    assert words in answer.text
    assert shared_desk.store.cases()["aaaa0002"].status == "new"
    if fields.get("text", "").startswith("x"):
        assert fields["text"] in answer.text


def test_of_two_who_act_at_once_the_second_looks_again_first(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    page = ada.ask("/cases/aaaa0001").text
    assert ada.act("aaaa0001", act="acknowledged").status == 303
    late = {"act": "asked", "csrf": field_of(page, "csrf"), "seen": field_of(page, "seen")}
    answer = ada.send("/cases/aaaa0001/act", **late)
    assert answer.status == 409
    assert own_desk.store.cases()["aaaa0001"].status == "acknowledged"


def test_a_fault_of_the_store_is_a_page_of_its_own(own_desk: Desked) -> None:
    visitor = signed_in(own_desk, "ada")
    own_desk.store.close()
    (own_desk.folder / "cases.db").rename(own_desk.folder / "away.db")
    (own_desk.folder / "cases.db").mkdir()
    for ending in ("-wal", "-shm"):
        (own_desk.folder / f"cases.db{ending}").unlink(missing_ok=True)
    answer = visitor.ask("/cases")
    assert answer.status == 503
    assert "The case store does not answer" in answer.text
    assert "cases.db" not in answer.text
    assert answer.headers["content-security-policy"]


def test_counts_are_bands_and_times_quarters_of_an_hour(shared_desk: Desked) -> None:
    visitor = signed_in(shared_desk, "ada")
    page = visitor.ask("/cases/aaaa0001").text
    assert "fewer than 10" in page
    assert "on fewer than 10 devices (counted per day)" in page
    assert not re.search(r"\b3 devices|312|91234|771234", page)
    for path in PAGES:
        for minutes, rest in re.findall(r"\d{4}-\d\d-\d\dT\d\d:(\d\d)([:.\d]*Z)", visitor.ask(path).text):
            assert minutes in {"00", "15", "30", "45"}
            assert rest == "Z"


def test_the_letter_asks_and_holds_nothing_about_pupils(shared_desk: Desked) -> None:
    answer = signed_in(shared_desk, "ada").ask("/cases/aaaa0001/letter.txt")
    assert answer.headers["content-disposition"] == 'attachment; filename="letter-aaaa0001.txt"'
    assert answer.headers["content-type"].startswith("text/plain")
    for words in (
        "Quizgale Games Inc. (invented)",
        "hello@quizgale.example",
        "fewer than 10 devices",
        "our case aaaa0001",
        "1. ",
    ):
        assert words in answer.text
    for words in ("lincoln", "k-5", "3 devices"):
        assert words not in answer.text


def test_a_pack_is_for_those_who_may_read_notes_and_who_took_it_is_written_down(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    ada.act("aaaa0002", act="noted", text="For the board.")
    answer = ada.ask("/cases/aaaa0002/evidence.zip", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="evidence-aaaa0002.zip"'
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.octets)) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    view = json.loads(files["cases/aaaa0002.json"])
    assert [name for name in files if name.startswith("cases/")] == ["cases/aaaa0002.html", "cases/aaaa0002.json"]
    assert "For the board." in view["log"][-1]["opened"]
    assert view["evidence"]["basis"] == PROOF["basis"]
    assert view["evidence"]["attribution"]["device_days"] == "25 to 49"
    assert view["evidence"]["attribution"]["near_share"] == "95 %"
    page = files["cases/aaaa0002.html"].decode()
    assert not re.search(r"<script|<img|\b412\b|\b41 devices", page)
    for words in ("e" * 64, "2026-07-01", "CC BY-SA 4.0", "98 %", "To reach the verdict again"):
        assert words in page
    (latest,) = AccessLog(own_desk.store).latest(most=1)
    assert (latest.who, latest.what) == ("ada", "pack_taken")
    assert signed_in(own_desk, "ann").ask("/cases/aaaa0002/evidence.zip").status == 200
    assert "Evidence pack saved" in ada.ask("/access").text


def judged_until(own_desk: Desked, until: date, *, number: int) -> None:
    frame = {**stored_frame(own_desk.store), "last_day": until.isoformat()}
    own_desk.store.keep([], parts=[ReportPart(name="frame", version=number, body=json.dumps(frame))])


def test_a_fix_is_shown_as_verified_after_fourteen_silent_days_and_returns_when_it_is_seen_again(
    own_desk: Desked,
) -> None:
    ada = signed_in(own_desk, "ada")
    assert ada.act("aaaa0002", act="fixed", text="They took it out.").status == 303
    today = datetime.now(UTC).date()
    judged_until(own_desk, today, number=1)
    page = ada.ask("/cases/aaaa0002").text
    assert "The fix is not verified yet" in page
    assert 'value="closed"' not in page
    refused = ada.act("aaaa0002", act="closed", outcome="settled")
    assert (refused.status, own_desk.store.cases()["aaaa0002"].status) == (422, "fixed")
    assert "aaaa0002" in ada.ask("/cases?state=fixed").text
    judged_until(own_desk, today + timedelta(days=14), number=2)
    page = ada.ask("/cases/aaaa0002").text
    for words in ("Fixed, verified", "14 days passed without a new sighting", 'value="closed"'):
        assert words in page
    assert "aaaa0002" not in ada.ask("/cases?state=fixed").text
    assert "aaaa0002" in ada.ask("/cases?state=verified").text
    seen = f"{today + timedelta(days=15)}T18:00:00.000000Z"
    own_desk.store.keep([case("aaaa0002", version=2, agreement="choirbox", last_seen=seen)], parts=())
    page = ada.ask("/cases/aaaa0002").text
    assert "It came back by itself: it was seen again after it had been called fixed." in page
    assert "Returned by itself" in page
    assert "aaaa0002" in ada.ask("/cases").text


def test_what_changed_of_an_ended_case_and_a_declaration_that_is_not_true_yet_are_visible(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    assert ada.act("aaaa0001", act="declared").status == 303
    page = ada.ask("/cases/aaaa0001").text
    assert "The agreement does not yet say so: the rule still finds the case. It was not seen again since." in page
    seen = f"{datetime.now(UTC).date() + timedelta(days=1)}T18:00:00.000000Z"
    row: dict[str, Any] = {
        "agreement": "quizgale",
        "rule": "use-paused",
        "severity": "info",
        "devices": 5,
        "last_seen": seen,
    }
    own_desk.store.keep([case("aaaa0001", version=2, **row)], parts=())
    page = ada.ask("/cases/aaaa0001").text
    for words in ("It was seen again since.", "Changed, and stays ended", "severity", "fewer than twice as many"):
        assert words in page
    assert "aaaa0001" not in ada.ask("/cases").text
    assert "aaaa0001" in ada.ask("/cases?state=declared").text


def test_a_case_says_which_file_is_another_than_when_it_was_judged(shared_desk: Desked) -> None:
    page = signed_in(shared_desk, "ivo").ask("/cases/aaaa0002").text
    assert "the agreement file of choirbox, the network file" in page
    assert "belongs to" in page
    letter = signed_in(shared_desk, "ada").ask("/cases/aaaa0002/letter.txt").text
    for words in ("we put 95 % down to your product", "; 5 % took place while it was not open", "p. 14"):
        assert words in letter
    # Whoever else was weighed is nobody's business but the district's.
    assert "98 %" not in letter


def test_a_user_who_is_removed_or_changed_is_signed_out_at_once(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    users = own_desk.folder / "users.yaml"
    users.write_text(users.read_text(encoding="utf-8").replace("role: officer", "role: auditor"), encoding="utf-8")
    assert ada.ask("/cases").status == 303
    ann = signed_in(own_desk, "ann")
    users.write_text("schema: schoolgate/users/1\nusers: []\n", encoding="utf-8")
    assert ann.ask("/cases").status == 303


def test_a_broken_file_of_users_does_not_replace_a_good_one(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    (own_desk.folder / "users.yaml").write_text("users: [", encoding="utf-8")
    assert ada.ask("/cases").status == 200


def test_sign_ins_are_written_down_without_the_names_that_nobody_has(own_desk: Desked) -> None:
    Visitor(desk=own_desk).sign_in("ada", password="wrong words here")  # noqa: S106 -- wrong on purpose
    Visitor(desk=own_desk).sign_in("my secret password", password="ada")  # noqa: S106 -- wrong on purpose
    ada = signed_in(own_desk, "ada")
    ada.send("/sign-out", csrf=ada.token())
    page = signed_in(own_desk, "ann").ask("/access").text
    for words in ("Signed in", "Sign-in failed", "Signed out", "(unknown name)", "127.0."):
        assert words in page
    assert "my secret password" not in page


def test_the_one_time_address_signs_in_once(tmp_path: Path) -> None:
    with desk(tmp_path, users=False) as one:
        path = one.server.sign_in_address.removeprefix(one.origin)
        assert Visitor(desk=one).ask("/enter/" + "x" * 43).status == 403
        first = Visitor(desk=one)
        assert first.ask(path).status == 303
        assert first.ask("/cases").status == 200
        assert first.act("aaaa0001", act="acknowledged").status == 303
        assert json.loads(one.store.log("aaaa0001")[-1].entry)["by"] == "local officer"
        second = Visitor(desk=one)
        assert second.ask(path).status == 403
        assert second.ask("/cases").status == 303
        assert not one.server.invites
        assert Visitor(desk=one).send("/sign-in", csrf="", name="local officer", password="").status == 403


def test_the_list_is_chosen_searched_and_sorted(shared_desk: Desked) -> None:
    visitor = signed_in(shared_desk, "ada")

    def ids(query: str) -> list[str]:
        return re.findall(
            r'<td role="cell" data-head="Case" class="main"><a href="/cases/(\w+)"', visitor.ask(f"/cases?{query}").text
        )

    assert ids("") == ["aaaa0001", "aaaa0002", "aaaa0003", "aaaa0004"]
    assert ids("severity=warning") == ["aaaa0002", "aaaa0003"]
    assert ids("vendor=-") == ["aaaa0003"]
    assert ids("vendor=choirbox") == ["aaaa0002"]
    assert ids("rule=no-agreement") == ["aaaa0003"]
    assert ids("q=Practice+diary") == ["aaaa0002"]
    assert ids("q=SKETCH") == ["aaaa0003"]
    assert ids("state=closed") == []
    assert ids("sort=seen&order=desc")[0] == "aaaa0002"
    assert ids("sort=severity&order=desc")[0] == "aaaa0004"


def test_a_case_that_changes_is_shown_as_it_is_now(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    assert "Critical" in ada.ask("/cases?q=quizgale&severity=critical").text
    own_desk.store.keep(
        [case("aaaa0001", version=2, agreement="quizgale", subject="later.example", severity="info")], parts=()
    )
    assert "later.example" in ada.ask("/cases?severity=info").text
    own_desk.store.act("aaaa0001", act="closed", by="x", text="y")
    assert "later.example" not in ada.ask("/cases?severity=info").text


def test_the_case_log_is_checked_on_demand(own_desk: Desked) -> None:
    ivo = signed_in(own_desk, "ivo")
    page = ivo.send("/system", csrf=ivo.token("/system")).text
    assert f"all {len(CASES)} entries are as they were written" in page


def test_evidence_about_nobody_is_told_under_system(own_desk: Desked) -> None:
    ivo = signed_in(own_desk, "ivo")
    assert "Not used" not in ivo.ask("/system").text
    stray = stray_evidence(own_desk.folder)
    own_desk.server.read_again()
    page = html.unescape(ivo.ask("/system").text)
    assert "Not used, though it is there" in page
    assert "gone.yaml:1: evidence about" in page
    assert own_desk.server.warnings == (stray,)


def test_a_taken_port_is_said_with_a_remedy(shared_desk: Desked, tmp_path: Path) -> None:
    files = RulebookFiles(agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        late = DeskServer(
            shared_desk.store,
            settings=Desk(listen=f"127.0.0.1:{taken.getsockname()[1]}"),
            files=files,
            folder=tmp_path,
            version="1",
            say=lambda _text: None,
        )
        with pytest.raises(DeskListenError, match=r"desk\.listen"):
            late.start()


def test_health_says_that_the_store_answers_and_nothing_else(shared_desk: Desked) -> None:
    answer = Visitor(desk=shared_desk).ask("/health")
    assert (answer.status, answer.text) == (200, "ok\n")


def test_the_vendored_library_is_the_one_that_its_authors_published(shared_desk: Desked) -> None:
    octets, kind = static_files()["htmx-2.0.11.min.js"]
    note = (Path(__file__).resolve().parents[2] / "rules" / "desk" / "static" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(octets).hexdigest() in note
    assert kind.startswith("text/javascript")
    page = Visitor(desk=shared_desk).ask("/sign-in").text
    assert not re.findall(r'(?:src|href)="(?![/#])', page)
