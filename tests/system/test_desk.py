"""The case desk over HTTP: who gets in, what each role may do, and what nobody may."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from rules.desk.access_log import AccessLog
from rules.desk.guard import LONGEST_BODY
from rules.desk.page import static_files
from rules.desk.server import DeskListenError, DeskServer
from rules.rulebook import RulebookFiles
from rules.service import stored_frame
from rules.settings import Desk
from rules.versions import ReportPart
from tests.system.desk_visitor import CASES, HOSTILE, PASSWORD, PROOF, Desked, Visitor, case, desk, field_of, signed_in
from tests.system.product import SAMPLE, stray_evidence

PAGES = (
    "/cases", "/cases?state=all&q=quiz&sort=seen", "/cases/print", "/cases/aaaa0001", "/cases/aaaa0001/letter",
    "/cases/aaaa0001/letter.txt", "/vendors", "/vendors/quizgale", "/coverage", "/system",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desked]:
    """One desk that all tests read; those that change a case have one of their own."""
    with desk(tmp_path_factory.mktemp("desk")) as one:
        yield one


@pytest.fixture(scope="module")
def ada(served: Desked) -> Visitor:
    """An officer who only reads."""
    return signed_in(served, "ada")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Desked]:
    with desk(tmp_path) as one:
        yield one


@pytest.mark.parametrize("path", [*PAGES, "/", "/access"])
def test_nobody_sees_a_page_without_signing_in(served: Desked, path: str) -> None:
    answer = Visitor(desk=served).ask(path)
    assert answer.status == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("name", ["ada", "ivo", "ann"])
def test_every_role_reads_every_page(served: Desked, name: str) -> None:
    visitor = signed_in(served, name)
    for path in PAGES:
        answer = visitor.ask(path)
        assert answer.status == 200, path
        assert answer.headers["cache-control"] == "no-store"
    assert visitor.ask("/access").status == (403 if name == "ivo" else 200)


def test_a_sign_in_leads_back_to_the_page_that_was_asked_for_and_never_elsewhere(served: Desked) -> None:
    asked = Visitor(desk=served).ask("/cases?q=a%26b").headers["location"]
    assert asked == "/sign-in?next=%2Fcases%3Fq%3Da%2526b"
    page = Visitor(desk=served).ask(asked).text
    assert field_of(page, "next") == "/cases?q=a%26b"
    hostile = ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\tx", "\\\\evil")
    for wanted in ("/cases/aaaa0001", *hostile):
        answer = Visitor(desk=served).sign_in("ada", next_page=wanted)
        assert answer.headers["location"] == ("/cases/aaaa0001" if wanted == "/cases/aaaa0001" else "/cases")


def test_a_session_planted_before_the_sign_in_is_worth_nothing_after_it(served: Desked) -> None:
    attacker = Visitor(desk=served)
    attacker.ask("/sign-in")
    planted = attacker.cookie
    victim = Visitor(desk=served, cookie=planted)
    assert victim.sign_in("ada").status == 303
    assert victim.cookie != planted
    assert attacker.ask("/cases").status == 303
    assert victim.ask("/cases").status == 200
    made_up = Visitor(desk=served, cookie=f"schoolgate-{served.port}=of-my-own-choice")
    assert made_up.sign_in("ada").status == 303
    assert "of-my-own-choice" not in made_up.cookie


def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(served: Desked, tmp_path: Path) -> None:
    (cookie,) = Visitor(desk=served).ask("/sign-in").cookies
    assert re.fullmatch(rf"schoolgate-{served.port}=[\w-]{{43}}; HttpOnly; Path=/; SameSite=lax", cookie)
    with desk(tmp_path, address="https://desk.district.example") as secure:
        answer = Visitor(desk=secure).ask("/sign-in", headers={"Host": "desk.district.example"})
        assert re.fullmatch(r"__Host-schoolgate=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", answer.cookies[0])
        assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_signed_out_session_is_over(served: Desked) -> None:
    visitor = signed_in(served, "ada")
    kept = visitor.cookie
    assert visitor.send("/sign-out", csrf=visitor.token()).status == 303
    assert Visitor(desk=served, cookie=kept).ask("/cases").status == 303


def test_wrong_names_and_wrong_passwords_get_the_same_answer(served: Desked) -> None:
    wrong = Visitor(desk=served).sign_in("ada", password="not the right words")  # noqa: S106 -- wrong on purpose
    unknown = Visitor(desk=served).sign_in("nobody", password="not the right words")  # noqa: S106 -- the same
    assert (wrong.status, unknown.status) == (403, 403)
    stripped = [re.sub(r'value="[^"]*"', "", answer.text) for answer in (wrong, unknown)]
    assert stripped[0] == stripped[1]


def test_passwords_can_not_be_tried_without_end(own: Desked) -> None:
    answers = [Visitor(desk=own).sign_in("ada", password=f"guess number {n}").status for n in range(10)]
    assert answers == [403] * 8 + [429] * 2
    late = Visitor(desk=own).sign_in("ada")
    assert late.status == 429
    assert int(late.headers["retry-after"]) > 0
    assert signed_in(own, "ann").ask("/cases").status == 200
    one = Visitor(desk=own)
    many = [one.sign_in(f"name-{n}", password="x").status for n in range(45)]  # noqa: S106 -- wrong on purpose
    assert many.count(429) >= 4


def test_a_flood_of_requests_is_refused_and_others_are_still_served(own: Desked) -> None:
    flood = Visitor(desk=own)
    statuses = {flood.ask("/sign-in").status for _ in range(400)}
    assert statuses == {200, 429}
    assert Visitor(desk=own).ask("/sign-in").status == 200


def test_every_answer_forbids_a_browser_what_the_desk_does_not_need(served: Desked) -> None:
    visitor = signed_in(served, "ada")
    for path in (*PAGES, "/nosuch", "/static/desk.css", "/health", "/sign-in"):
        headers = visitor.ask(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example"]
)
def test_a_page_elsewhere_that_points_its_name_here_gets_nothing(served: Desked, host: str) -> None:
    visitor = signed_in(served, "ada")
    answer = visitor.ask("/cases", headers={"Host": host})
    assert answer.status in {400, 421}
    assert "quizgale" not in answer.text
    for good in (f"127.0.0.1:{served.port}", f"localhost:{served.port}", f"LOCALHOST:{served.port}"):
        assert visitor.ask("/cases", headers={"Host": good}).status == 200


@pytest.mark.parametrize(
    ("headers", "changes", "status"),
    [
        ({"Origin": "https://evil.example"}, {}, 403),
        ({"Origin": "null"}, {}, 403),
        ({"Origin": ""}, {}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, {}, 403),
        ({}, {"csrf": ""}, 403),
        ({}, {"csrf": "x" * 43}, 403),
        ({"Content-Type": "text/plain"}, {}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, {}, 415),
    ],
)
def test_a_form_of_another_page_changes_nothing(
    own: Desked, headers: dict[str, str], changes: dict[str, str], status: int
) -> None:
    visitor = signed_in(own, "ada")
    page = visitor.ask("/cases/aaaa0001").text
    fields = {"act": "acknowledged", "csrf": field_of(page, "csrf"), "seen": field_of(page, "seen"), **changes}
    assert visitor.send_with(headers, "/cases/aaaa0001/act", **fields).status == status
    assert own.store.cases()["aaaa0001"].status == "new"


def test_the_token_of_one_session_does_not_fit_another(own: Desked) -> None:
    mine, theirs = signed_in(own, "ada"), signed_in(own, "ada")
    page = mine.ask("/cases/aaaa0001").text
    fields = {"act": "acknowledged", "csrf": theirs.token(), "seen": field_of(page, "seen")}
    assert mine.send("/cases/aaaa0001/act", **fields).status == 403


@pytest.mark.parametrize("name", ["ivo", "ann"])
def test_only_the_officer_acts(own: Desked, name: str) -> None:
    visitor = signed_in(own, name)
    page = visitor.ask("/cases/aaaa0001").text
    assert "/act" not in page
    answer = visitor.send("/cases/aaaa0001/act", act="acknowledged", csrf=visitor.token(), seen="1")
    assert answer.status == 403
    assert own.store.cases()["aaaa0001"].status == "new"
    assert len(own.store.log()) == len(CASES)


def test_the_acts_of_a_case_are_written_into_the_log_with_who_did_them(own: Desked) -> None:
    ada = signed_in(own, "ada")
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
    log = [(entry.kind, json.loads(entry.entry)) for entry in own.store.log("aaaa0001")][1:]
    assert [kind for kind, _ in log] == [
        "acknowledged", "asked", "noted", "disputed", "reopened", "declared", "reopened", "breach", "closed",
    ]  # fmt: skip
    assert {said["by"] for _, said in log} == {"ada"}
    assert (log[3][1]["reason"], log[-1][1]["reason"]) == ("wrong_file", "settled")
    assert own.store.cases()["aaaa0001"].status == "closed"
    shown = ada.ask("/cases/aaaa0001").text
    assert "wrong school" in shown
    assert "<script>alert(1)" not in shown
    hidden = signed_in(own, "ivo").ask("/cases/aaaa0001").text
    assert "wrong school" not in hidden
    assert "Called a false positive: Our agreement or network file does not say what is true" in hidden
    assert "for the privacy officer and auditors" in hidden
    assert "wrong school" in signed_in(own, "ann").ask("/cases/aaaa0001").text


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
    served: Desked, fields: dict[str, str], words: str
) -> None:
    answer = signed_in(served, "ada").act("aaaa0002", **fields)
    assert answer.status == 422
    assert "There is a problem" in answer.text
    assert words in answer.text
    assert served.store.cases()["aaaa0002"].status == "new"
    if fields.get("text", "").startswith("x"):
        assert fields["text"] in answer.text


def test_of_two_who_act_at_once_the_second_looks_again_first(own: Desked) -> None:
    ada = signed_in(own, "ada")
    page = ada.ask("/cases/aaaa0001").text
    assert ada.act("aaaa0001", act="acknowledged").status == 303
    late = {"act": "asked", "csrf": field_of(page, "csrf"), "seen": field_of(page, "seen")}
    answer = ada.send("/cases/aaaa0001/act", **late)
    assert answer.status == 409
    assert own.store.cases()["aaaa0001"].status == "acknowledged"


@pytest.mark.parametrize(
    "path",
    [
        "/cases/nosuch", "/cases/aaaa", "/cases/aaaa0001%27%20OR%201=1--", "/cases/" + "a" * 500, "/vendors/nosuch",
        "/vendors/..%2f..%2fusers",
        "/static/../accounts.py", "/static/%2e%2e%2faccounts.py", "/static/..%5caccounts.py",
        "/static/README.md", "/static/", "/cases/aaaa0001/act/x", "/cases/%00", "/users.yaml", "/../users.yaml",
    ],
)  # fmt: skip
def test_what_is_not_a_page_is_not_found_and_nothing_leaks(ada: Visitor, path: str) -> None:
    answer = ada.ask(path)
    assert answer.status == 404
    assert not re.search(r"Traceback|sqlalchemy|sqlite|argon2id|\.py\b|/tmp/", answer.text, re.IGNORECASE)


@pytest.mark.parametrize("field", ["q", "state", "severity", "vendor", "rule", "sort", "order", "page"])
def test_no_query_breaks_the_list_or_reaches_the_database(served: Desked, field: str) -> None:
    visitor = signed_in(served, "ada")
    for value in ("' OR 1=1 --", "'; DROP TABLE cases; --", "\0", "-1", "9" * 8, "9" * 400, "\U0001f4a9", "²", "%"):
        assert visitor.ask(f"/cases?{urlencode({field: value})}").status == 200, value
    assert visitor.ask(f"/cases?{field}=%ff&{field}=%").status == 200
    assert len(served.store.cases()) == len(CASES)


def test_a_body_without_end_is_refused_before_it_is_read(served: Desked) -> None:
    visitor = signed_in(served, "ada")
    assert visitor.send("/cases/aaaa0001/act", text="x" * LONGEST_BODY).status == 413
    form = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": served.origin,
        "Transfer-Encoding": "chunked",
    }
    chunked = b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n"
    answer = visitor.ask("/cases/aaaa0001/act", method="POST", body=chunked, headers=form)
    assert answer.status == 413
    assert visitor.send("/cases/aaaa0001/act", **{f"f{n}": "x" for n in range(50)}).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT"])
def test_only_pages_and_forms_are_served(ada: Visitor, method: str) -> None:
    assert ada.ask("/cases/aaaa0001", method=method).status in {400, 405}


def test_a_fault_of_the_store_is_a_page_of_its_own(own: Desked) -> None:
    visitor = signed_in(own, "ada")
    own.store.close()
    (own.folder / "cases.db").rename(own.folder / "away.db")
    (own.folder / "cases.db").mkdir()
    for ending in ("-wal", "-shm"):
        (own.folder / f"cases.db{ending}").unlink(missing_ok=True)
    answer = visitor.ask("/cases")
    assert answer.status == 503
    assert "The case store does not answer" in answer.text
    assert "cases.db" not in answer.text
    assert answer.headers["content-security-policy"]


def test_counts_are_bands_and_times_quarters_of_an_hour(served: Desked) -> None:
    visitor = signed_in(served, "ada")
    page = visitor.ask("/cases/aaaa0001").text
    assert "fewer than 10" in page
    assert "on fewer than 10 devices (counted per day)" in page
    assert not re.search(r"\b3 devices|312|91234|771234", page)
    for path in PAGES:
        for minutes, rest in re.findall(r"\d{4}-\d\d-\d\dT\d\d:(\d\d)([:.\d]*Z)", visitor.ask(path).text):
            assert minutes in {"00", "15", "30", "45"}
            assert rest == "Z"


def test_hostile_names_are_shown_as_text(served: Desked) -> None:
    visitor = signed_in(served, "ada")
    for path in (
        "/cases?state=all",
        "/cases/aaaa0004",
        "/cases/aaaa0004/letter",
        "/cases/aaaa0002",
        "/cases/aaaa0002/letter",
        "/cases/print",
        "/vendors",
        "/vendors/hostile",
    ):
        page = visitor.ask(path).text
        assert not re.search(r"<script>|<img|<svg onload|<b onmouseover", page), path
        assert "\u202e" not in page
        assert "49" not in re.findall(r"Bold\S*\s+(\d+)", page)
    assert "&lt;script&gt;alert(1)" in visitor.ask("/cases?state=all").text
    echoed = visitor.ask("/cases?q=%22%3E%3Cscript%3Ealert(9)%3C/script%3E").text
    assert "<script>alert(9)" not in echoed


def test_the_letter_asks_and_holds_nothing_about_pupils(served: Desked) -> None:
    answer = signed_in(served, "ada").ask("/cases/aaaa0001/letter.txt")
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


def test_a_pack_is_for_those_who_may_read_notes_and_who_took_it_is_written_down(own: Desked) -> None:
    ada = signed_in(own, "ada")
    ada.act("aaaa0002", act="noted", text="For the board.")
    answer = ada.ask("/cases/aaaa0002/evidence.zip", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="evidence-aaaa0002.zip"'
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.octets)) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    view = json.loads(files["cases/aaaa0002.json"])
    assert [name for name in files if name.startswith("cases/")] == ["cases/aaaa0002.html", "cases/aaaa0002.json"]
    assert "For the board." in view["log"][-1]["entry"]
    assert view["evidence"]["basis"] == PROOF["basis"]
    assert view["evidence"]["attribution"]["device_days"] == "25 to 49"
    assert view["evidence"]["attribution"]["near_share"] == "97 %"
    page = files["cases/aaaa0002.html"].decode()
    assert not re.search(r"<script|<img|\b412\b|\b41 devices", page)
    for words in ("e" * 64, "2026-07-01", "CC BY-SA 4.0", "98 %", "To reach the verdict again"):
        assert words in page
    (latest,) = AccessLog(own.store).latest(most=1)
    assert (latest.who, latest.what) == ("ada", "pack_taken")
    assert signed_in(own, "ann").ask("/cases/aaaa0002/evidence.zip").status == 200
    assert "Evidence pack saved" in ada.ask("/access").text


def test_no_other_site_and_no_other_role_fetches_a_pack(own: Desked) -> None:
    ada, ivo = signed_in(own, "ada"), signed_in(own, "ivo")
    before = AccessLog(own.store).latest(most=99)
    for origin in ("cross-site", "same-site"):
        assert ada.ask("/cases/aaaa0002/evidence.zip", headers={"Sec-Fetch-Site": origin}).status == 403
    assert ivo.ask("/cases/aaaa0002/evidence.zip").status == 403
    assert "evidence.zip" not in ivo.ask("/cases/aaaa0002").text
    assert ada.send("/cases/aaaa0002/evidence.zip", csrf=ada.token()).status == 405
    assert [ada.ask(f"/cases/{name}/evidence.zip").status for name in ("nosuch", "a" * 500, "%00")] == [404] * 3
    assert AccessLog(own.store).latest(most=99) == before


def test_nothing_leaves_a_store_whose_log_was_changed(own: Desked) -> None:
    ada = signed_in(own, "ada")
    with own.store.database.writing() as connection:
        connection.execute(sa.text("DROP TRIGGER case_log_no_update"))
        connection.execute(sa.text("UPDATE case_log SET entry = replace(entry, '6f', '6e') WHERE seq = 2"))
    answer = ada.ask("/cases/aaaa0002/evidence.zip")
    assert answer.status == 409
    assert "The case log is not as it was written" in answer.text
    assert "pack_taken" not in {row.what for row in AccessLog(own.store).latest(most=9)}


def judged_until(own: Desked, until: date, *, number: int) -> None:
    frame = {**stored_frame(own.store), "last_day": until.isoformat()}
    own.store.keep([], parts=[ReportPart(name="frame", version=number, body=json.dumps(frame))])


def test_a_fix_is_shown_as_verified_after_fourteen_silent_days_and_returns_when_it_is_seen_again(own: Desked) -> None:
    ada = signed_in(own, "ada")
    assert ada.act("aaaa0002", act="fixed", text="They took it out.").status == 303
    today = datetime.now(UTC).date()
    judged_until(own, today, number=1)
    page = ada.ask("/cases/aaaa0002").text
    assert "The fix is not verified yet" in page
    assert 'value="closed"' not in page
    refused = ada.act("aaaa0002", act="closed", outcome="settled")
    assert (refused.status, own.store.cases()["aaaa0002"].status) == (422, "fixed")
    assert "aaaa0002" in ada.ask("/cases?state=fixed").text
    judged_until(own, today + timedelta(days=14), number=2)
    page = ada.ask("/cases/aaaa0002").text
    for words in ("Fixed, verified", "14 days passed without a new sighting", 'value="closed"'):
        assert words in page
    assert "aaaa0002" not in ada.ask("/cases?state=fixed").text
    assert "aaaa0002" in ada.ask("/cases?state=verified").text
    seen = f"{today + timedelta(days=15)}T18:00:00.000000Z"
    own.store.keep([case("aaaa0002", version=2, agreement="choirbox", last_seen=seen)], parts=())
    page = ada.ask("/cases/aaaa0002").text
    assert "It came back by itself: it was seen again after it had been called fixed." in page
    assert "Returned by itself" in page
    assert "aaaa0002" in ada.ask("/cases").text


def test_what_changed_of_an_ended_case_and_a_declaration_that_is_not_true_yet_are_visible(own: Desked) -> None:
    ada = signed_in(own, "ada")
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
    own.store.keep([case("aaaa0001", version=2, **row)], parts=())
    page = ada.ask("/cases/aaaa0001").text
    for words in ("It was seen again since.", "Changed, and stays ended", "severity", "fewer than twice as many"):
        assert words in page
    assert "aaaa0001" not in ada.ask("/cases").text
    assert "aaaa0001" in ada.ask("/cases?state=declared").text


def test_a_case_says_which_file_is_another_than_when_it_was_judged(served: Desked) -> None:
    page = signed_in(served, "ivo").ask("/cases/aaaa0002").text
    assert "the agreement file of choirbox, the network file" in page
    assert "belongs to" in page
    letter = signed_in(served, "ada").ask("/cases/aaaa0002/letter.txt").text
    for words in ("we put 97 % down to your product", "3 % took place while it was not open", "p. 14"):
        assert words in letter
    # Whoever else was weighed is nobody's business but the district's.
    assert "98 %" not in letter


def test_a_user_who_is_removed_or_changed_is_signed_out_at_once(own: Desked) -> None:
    ada = signed_in(own, "ada")
    users = own.folder / "users.yaml"
    users.write_text(users.read_text(encoding="utf-8").replace("role: officer", "role: auditor"), encoding="utf-8")
    assert ada.ask("/cases").status == 303
    ann = signed_in(own, "ann")
    users.write_text("schema: schoolgate/users/1\nusers: []\n", encoding="utf-8")
    assert ann.ask("/cases").status == 303


def test_a_broken_file_of_users_does_not_replace_a_good_one(own: Desked) -> None:
    ada = signed_in(own, "ada")
    (own.folder / "users.yaml").write_text("users: [", encoding="utf-8")
    assert ada.ask("/cases").status == 200


def test_sign_ins_are_written_down_without_the_names_that_nobody_has(own: Desked) -> None:
    Visitor(desk=own).sign_in("ada", password="wrong words here")  # noqa: S106 -- wrong on purpose
    Visitor(desk=own).sign_in("my secret password", password="ada")  # noqa: S106 -- wrong on purpose
    ada = signed_in(own, "ada")
    ada.send("/sign-out", csrf=ada.token())
    page = signed_in(own, "ann").ask("/access").text
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


def test_the_list_is_chosen_searched_and_sorted(served: Desked) -> None:
    visitor = signed_in(served, "ada")

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


def test_a_case_that_changes_is_shown_as_it_is_now(own: Desked) -> None:
    ada = signed_in(own, "ada")
    assert "Critical" in ada.ask("/cases?q=quizgale&severity=critical").text
    own.store.keep(
        [case("aaaa0001", version=2, agreement="quizgale", subject="later.example", severity="info")], parts=()
    )
    assert "later.example" in ada.ask("/cases?severity=info").text
    own.store.act("aaaa0001", act="closed", by="x", text="y")
    assert "later.example" not in ada.ask("/cases?severity=info").text


def test_the_case_log_is_checked_on_demand(own: Desked) -> None:
    ivo = signed_in(own, "ivo")
    page = ivo.send("/system", csrf=ivo.token("/system")).text
    assert f"all {len(CASES)} entries are as they were written" in page


def test_evidence_about_nobody_is_told_under_system(own: Desked) -> None:
    ivo = signed_in(own, "ivo")
    assert "Not used" not in ivo.ask("/system").text
    stray = stray_evidence(own.folder)
    own.server.read_again()
    page = html.unescape(ivo.ask("/system").text)
    assert "Not used, though it is there" in page
    assert "gone.yaml:1: evidence about" in page
    assert own.server.warnings == (stray,)


def test_a_taken_port_is_said_with_a_remedy(served: Desked, tmp_path: Path) -> None:
    files = RulebookFiles(agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        late = DeskServer(
            served.store, settings=Desk(listen=f"127.0.0.1:{taken.getsockname()[1]}"), files=files, folder=tmp_path,
            version="1", say=lambda _text: None,
        )  # fmt: skip
        with pytest.raises(DeskListenError, match=r"desk\.listen"):
            late.start()


def test_health_says_that_the_store_answers_and_nothing_else(served: Desked) -> None:
    answer = Visitor(desk=served).ask("/health")
    assert (answer.status, answer.text) == (200, "ok\n")


def test_the_vendored_library_is_the_one_that_its_authors_published(served: Desked) -> None:
    octets, kind = static_files()["htmx-2.0.11.min.js"]
    note = (Path(__file__).resolve().parents[2] / "rules" / "desk" / "static" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(octets).hexdigest() in note
    assert kind.startswith("text/javascript")
    page = Visitor(desk=served).ask("/sign-in").text
    assert not re.findall(r'(?:src|href)="(?![/#])', page)


def test_the_form_with_the_password_is_not_the_place_to_guess_other_pages(served: Desked) -> None:
    visitor = Visitor(desk=served)
    answer = visitor.send("/sign-in", name="ada", password=PASSWORD, csrf="")
    assert answer.status == 403
    assert visitor.ask("/cases").status == 303
