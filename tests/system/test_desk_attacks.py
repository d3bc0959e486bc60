"""The case desk over HTTP, as people attack it: who gets in, what nobody may, and what leaks."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from rules.desk.access_log import AccessLog
from rules.desk.guard import LONGEST_BODY
from tests.system.desk_visitor import (
    CASES,
    PAGES,
    PASSWORD,
    Desked,
    Visitor,
    desk,
    field_of,
    signed_in,
)


@pytest.mark.parametrize("path", [*PAGES, "/", "/access"])
def test_nobody_sees_a_page_without_signing_in(shared_desk: Desked, path: str) -> None:
    answer = Visitor(desk=shared_desk).ask(path)
    assert answer.status == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_a_session_planted_before_the_sign_in_is_worth_nothing_after_it(shared_desk: Desked) -> None:
    attacker = Visitor(desk=shared_desk)
    attacker.ask("/sign-in")
    planted = attacker.cookie
    victim = Visitor(desk=shared_desk, cookie=planted)
    assert victim.sign_in("ada").status == 303
    assert victim.cookie != planted
    assert attacker.ask("/cases").status == 303
    assert victim.ask("/cases").status == 200
    made_up = Visitor(desk=shared_desk, cookie=f"schoolgate-{shared_desk.port}=of-my-own-choice")
    assert made_up.sign_in("ada").status == 303
    assert "of-my-own-choice" not in made_up.cookie


def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(shared_desk: Desked, tmp_path: Path) -> None:
    (cookie,) = Visitor(desk=shared_desk).ask("/sign-in").cookies
    assert re.fullmatch(rf"schoolgate-{shared_desk.port}=[\w-]{{43}}; HttpOnly; Path=/; SameSite=lax", cookie)
    with desk(tmp_path, address="https://desk.district.example") as secure:
        answer = Visitor(desk=secure).ask("/sign-in", headers={"Host": "desk.district.example"})
        assert re.fullmatch(r"__Host-schoolgate=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", answer.cookies[0])
        assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_wrong_names_and_wrong_passwords_get_the_same_answer(shared_desk: Desked) -> None:
    wrong = Visitor(desk=shared_desk).sign_in("ada", password="not the right words")  # noqa: S106 -- wrong on purpose
    unknown = Visitor(desk=shared_desk).sign_in("nobody", password="not the right words")  # noqa: S106 -- the same
    assert (wrong.status, unknown.status) == (403, 403)
    stripped = [re.sub(r'value="[^"]*"', "", answer.text) for answer in (wrong, unknown)]
    assert stripped[0] == stripped[1]


def test_passwords_can_not_be_tried_without_end(own_desk: Desked) -> None:
    answers = [Visitor(desk=own_desk).sign_in("ada", password=f"guess number {n}").status for n in range(10)]
    assert answers == [403] * 8 + [429] * 2
    late = Visitor(desk=own_desk).sign_in("ada")
    assert late.status == 429
    assert int(late.headers["retry-after"]) > 0
    assert signed_in(own_desk, "ann").ask("/cases").status == 200
    one = Visitor(desk=own_desk)
    many = [one.sign_in(f"name-{n}", password="x").status for n in range(45)]  # noqa: S106 -- wrong on purpose
    assert many.count(429) >= 4


def test_a_flood_of_requests_is_refused_and_others_are_still_served(own_desk: Desked) -> None:
    flood = Visitor(desk=own_desk)
    statuses = {flood.ask("/sign-in").status for _ in range(400)}
    assert statuses == {200, 429}
    assert Visitor(desk=own_desk).ask("/sign-in").status == 200


def test_every_answer_forbids_a_browser_what_the_desk_does_not_need(shared_desk: Desked) -> None:
    visitor = signed_in(shared_desk, "ada")
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
def test_a_page_elsewhere_that_points_its_name_here_gets_nothing(shared_desk: Desked, host: str) -> None:
    visitor = signed_in(shared_desk, "ada")
    answer = visitor.ask("/cases", headers={"Host": host})
    assert answer.status in {400, 421}
    assert "quizgale" not in answer.text
    for good in (f"127.0.0.1:{shared_desk.port}", f"localhost:{shared_desk.port}", f"LOCALHOST:{shared_desk.port}"):
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
    own_desk: Desked, headers: dict[str, str], changes: dict[str, str], status: int
) -> None:
    visitor = signed_in(own_desk, "ada")
    page = visitor.ask("/cases/aaaa0001").text
    fields = {"act": "acknowledged", "csrf": field_of(page, "csrf"), "seen": field_of(page, "seen"), **changes}
    assert visitor.send_with(headers, "/cases/aaaa0001/act", **fields).status == status
    assert own_desk.store.cases()["aaaa0001"].status == "new"


def test_the_token_of_one_session_does_not_fit_another(own_desk: Desked) -> None:
    mine, theirs = signed_in(own_desk, "ada"), signed_in(own_desk, "ada")
    page = mine.ask("/cases/aaaa0001").text
    fields = {"act": "acknowledged", "csrf": theirs.token(), "seen": field_of(page, "seen")}
    assert mine.send("/cases/aaaa0001/act", **fields).status == 403


@pytest.mark.parametrize("name", ["ivo", "ann"])
def test_only_the_officer_acts(own_desk: Desked, name: str) -> None:
    visitor = signed_in(own_desk, name)
    page = visitor.ask("/cases/aaaa0001").text
    assert "/act" not in page
    answer = visitor.send("/cases/aaaa0001/act", act="acknowledged", csrf=visitor.token(), seen="1")
    assert answer.status == 403
    assert own_desk.store.cases()["aaaa0001"].status == "new"
    assert len(own_desk.store.log()) == len(CASES)


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
def test_no_query_breaks_the_list_or_reaches_the_database(shared_desk: Desked, field: str) -> None:
    visitor = signed_in(shared_desk, "ada")
    for value in ("' OR 1=1 --", "'; DROP TABLE cases; --", "\0", "-1", "9" * 8, "9" * 400, "\U0001f4a9", "²", "%"):
        assert visitor.ask(f"/cases?{urlencode({field: value})}").status == 200, value
    assert visitor.ask(f"/cases?{field}=%ff&{field}=%").status == 200
    assert len(shared_desk.store.cases()) == len(CASES)


def test_a_body_without_end_is_refused_before_it_is_read(shared_desk: Desked) -> None:
    visitor = signed_in(shared_desk, "ada")
    assert visitor.send("/cases/aaaa0001/act", text="x" * LONGEST_BODY).status == 413
    form = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": shared_desk.origin,
        "Transfer-Encoding": "chunked",
    }
    chunked = b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n"
    answer = visitor.ask("/cases/aaaa0001/act", method="POST", body=chunked, headers=form)
    assert answer.status == 413
    assert visitor.send("/cases/aaaa0001/act", **{f"f{n}": "x" for n in range(50)}).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT"])
def test_only_pages_and_forms_are_served(ada: Visitor, method: str) -> None:
    assert ada.ask("/cases/aaaa0001", method=method).status in {400, 405}


def test_hostile_names_are_shown_as_text(shared_desk: Desked) -> None:
    visitor = signed_in(shared_desk, "ada")
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


def test_no_other_site_and_no_other_role_fetches_a_pack(own_desk: Desked) -> None:
    ada, ivo = signed_in(own_desk, "ada"), signed_in(own_desk, "ivo")
    before = AccessLog(own_desk.store).latest(most=99)
    for origin in ("cross-site", "same-site"):
        assert ada.ask("/cases/aaaa0002/evidence.zip", headers={"Sec-Fetch-Site": origin}).status == 403
    assert ivo.ask("/cases/aaaa0002/evidence.zip").status == 403
    assert "evidence.zip" not in ivo.ask("/cases/aaaa0002").text
    assert ada.send("/cases/aaaa0002/evidence.zip", csrf=ada.token()).status == 405
    assert [ada.ask(f"/cases/{name}/evidence.zip").status for name in ("nosuch", "a" * 500, "%00")] == [404] * 3
    assert AccessLog(own_desk.store).latest(most=99) == before


def test_nothing_leaves_a_store_whose_log_was_changed(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    with own_desk.store.database.writing() as connection:
        connection.execute(sa.text("DROP TRIGGER case_log_no_update"))
        connection.execute(sa.text("UPDATE case_log SET entry = replace(entry, 'A', 'B') WHERE seq = 2"))
    answer = ada.ask("/cases/aaaa0002/evidence.zip")
    assert answer.status == 409
    assert "The case log is not as it was written" in answer.text
    assert "pack_taken" not in {row.what for row in AccessLog(own_desk.store).latest(most=9)}


def test_the_form_with_the_password_is_not_the_place_to_guess_other_pages(shared_desk: Desked) -> None:
    visitor = Visitor(desk=shared_desk)
    answer = visitor.send("/sign-in", name="ada", password=PASSWORD, csrf="")
    assert answer.status == 403
    assert visitor.ask("/cases").status == 303
