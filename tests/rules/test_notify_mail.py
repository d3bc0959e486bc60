"""Mails: their words and headers, the district's own templates, and handing them to a real mail server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import policy
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.problems import DocumentError
from rules.next_steps import NEXT_STEPS
from rules.notify.channel import CaseNotice, Channel, ChannelDownError, DigestNotice, NoticeRefusedError
from rules.notify.channels import open_channels
from rules.notify.docket import Standing
from rules.notify.mail import Letters
from rules.notify.templating import Templates
from rules.notify.wording import specimen
from rules.settings import Notify
from tests.monitoring.school_day import RULES
from tests.parts.certificates import Authority
from tests.parts.mail_sink import PASSWORD, USER, MailSink
from tests.rules.told_cases import PLACE, Hands

SENDER, OFFICER = "Schoolgate <schoolgate@district.example>", "privacy@district.example"
HOSTILE = "<script>alert(1)</script>\r\nBcc: evil@evil.example\r\n\r\n\u202egnp.exe {{ 7 * 7 }} \x00\ud800"
TEMPLATES = Templates(None)


def standing(**changes: Any) -> Standing:
    view = {**specimen(), **changes}
    return Standing(case_id="4f1c", seq=3, supported=True, status="new", quiet=None, view=view, seen_at=3, spells=())


def notice(event: str = "opened", **changes: Any) -> CaseNotice:
    return CaseNotice(seq=3, event=event, standing=standing(**changes))


def letter(told: CaseNotice | DigestNotice, *, templates: Templates = TEMPLATES) -> Any:
    """Return the mail as a mail program reads it."""
    letters = Letters(templates=templates, place=PLACE, clock=Hands())
    made = letters.letter(told, sender=SENDER, recipient=OFFICER)
    return BytesParser(policy=policy.default).parsebytes(made.as_bytes())


def texts(mail: Any) -> tuple[str, str]:
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attrs if name in {"href", "src", "srcset", "background"}}


def test_a_mail_has_the_headers_that_people_and_programs_go_by() -> None:
    mail = letter(notice())
    assert mail["From"] == SENDER
    assert mail["To"] == OFFICER
    assert mail["Subject"] == "[Schoolgate] New case: A third party that the agreement does not list: mathtrek"
    assert mail["Message-ID"] == "<4f1c.3@district.example>"
    assert mail["References"] == "<4f1c@district.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "Schoolgate cases <cases.schoolgate.district.example>"
    assert mail["Date"].datetime == Hands().at
    assert mail.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("which", [0, 1], ids=["text", "html"])
def test_both_forms_say_everything_that_an_officer_acts_on(which: int) -> None:
    told = " ".join(texts(letter(notice()))[which].split())
    for words in (
        "What it says.", "A summary.", "What cannot be seen.", "High (0.97)", "25 to 49", "lincoln-es", "k-5",
        "Wed 14 Oct 2026 08:00", "America/Chicago", NEXT_STEPS["undeclared-third-party"], "clause 6d",
        "https://desk.example/cases/4f1c", "https://runbooks.example/SchoolgateCase", "cknowledge", "4f1c",
        "not proof of a breach",
    ):  # fmt: skip
        assert words.lower() in told.lower(), words


def test_a_case_that_is_back_says_why() -> None:
    back = CaseNotice(seq=3, event="returned", standing=replace(standing(), because=("new_group", "seen_again")))
    for text in texts(letter(back)):
        said = " ".join(text.split())
        assert "It came back by itself: it was seen in a group of users that was not known" in said
        assert "it was seen again after it had been called fixed." in said
    assert "It came back" not in texts(letter(notice("returned")))[0]


def test_every_rule_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == set(RULES)


@pytest.mark.parametrize(
    "field", ["agreement", "subject", "summary", "agreement_says", "cannot_see", "rule", "devices"]
)
def test_hostile_names_are_text_and_nothing_else(field: str) -> None:
    hostile: dict[str, Any] = {field: HOSTILE, "schools": [HOSTILE], "groups": [HOSTILE]}
    mail = letter(notice(**hostile))
    assert mail["Bcc"] is None
    assert mail["To"] == OFFICER
    text, html = texts(mail)
    page = Elements(html)
    assert "script" not in page.tags
    assert page.links == {"https://desk.example/cases/4f1c", "https://runbooks.example/SchoolgateCase"}
    for told in (text, html, mail["Subject"]):
        assert "\u202e" not in told
        assert "\x00" not in told
        assert "49 " not in told.replace("25 to 49 ", "")  # nothing in a name is a template
    assert "\\u202e" in text


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_from_the_network_breaks_a_mail(one: str, other: str) -> None:
    mail = letter(notice(agreement=one, subject=other, summary=one + other))
    assert [name for name in mail.keys() if name == "Bcc"] == []  # noqa: SIM118 -- headers may come twice
    assert len(mail["Subject"]) <= 160
    assert "\n" not in mail["Subject"]
    assert mail["X-Schoolgate-Case"] == "4f1c"


def test_a_mail_loads_nothing_from_anywhere() -> None:
    _, html = texts(letter(notice()))
    assert not {"img", "link", "script", "iframe", "style"} & Elements(html).tags


def test_a_withdrawn_case_asks_for_nothing() -> None:
    mail = letter(notice("withdrawn"))
    assert mail["Subject"].startswith("[Schoolgate] Case withdrawn: ")
    for told in texts(mail):
        assert "Next step" not in told
        assert "cknowledge" not in told
        assert "Critical" not in told


def test_a_digest_has_a_section_for_each_open_case_the_worst_first() -> None:
    standings = (standing(severity="info", agreement="zebra"), standing(severity="critical", agreement="aardvark"))
    mail = letter(DigestNotice(name="2026-10-19", at=dt.datetime(2026, 10, 19, 12, tzinfo=dt.UTC), standings=standings))
    assert mail["Subject"] == "[Schoolgate] 2 open cases, Monday, 19 October 2026"
    assert mail["Message-ID"] == "<digest.2026-10-19@district.example>"
    for told in texts(mail):
        assert told.index("aardvark") < told.index("zebra")
        assert "1 of 2" in told
    nothing = letter(DigestNotice(name="x", at=dt.datetime(2026, 10, 19, tzinfo=dt.UTC), standings=()))
    assert all("No case is open" in told for told in texts(nothing))


def test_a_district_may_have_templates_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "subject.txt").write_text("Caso: {{ case.title }}\n", encoding="utf-8")
    (tmp_path / "case.html").write_text("<p>{{ case.summary }}</p>", encoding="utf-8")
    mail = letter(notice(summary="<b>"), templates=Templates(tmp_path))
    assert mail["Subject"].startswith("Caso: A third party")
    assert texts(mail)[1].strip() == "<p>&lt;b&gt;</p>"
    assert "Next step" in texts(mail)[0]


@pytest.mark.parametrize(
    ("name", "source", "line", "says"),
    [
        ("case.txt", "one\n{% if %}", 2, "Expected an expression"),
        ("case.txt", "one\ntwo\n{{ case.nosuch }}", 3, "nosuch"),
        ("case.html", "{{ case.title + 1 }}", 1, "str"),
        ("cse.html", "x", 1, "no template has this name"),
        ("case.txt", "{{ ''.__class__.__mro__ }}", 1, "__class__"),
    ],
)
def test_a_slip_in_a_template_is_told_at_the_start_with_file_and_line(
    tmp_path: Path, name: str, source: str, line: int, says: str
) -> None:
    (tmp_path / name).write_text(source, encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        Templates(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}:{line}: ")
    assert says in str(caught.value)


def test_a_folder_of_templates_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="folder of templates"):
        Templates(tmp_path / "nosuch")


# With a real mail server.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("district", folder=tmp_path_factory.mktemp("authority"))


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., MailSink]]:
    started: list[MailSink] = []

    def start(**how: Any) -> MailSink:
        started.append(MailSink(tmp_path / f"sink-{len(started)}", **how))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def channel(port: int, *, folder: Path, to: str = OFFICER, **more: Any) -> Channel:
    mail = {"host": "127.0.0.1", "port": port, "sender": SENDER, "to": [to], **more}
    return open_channels(Notify.model_validate({"mail": mail}), folder=folder, place=PLACE).messages[0]


def test_mail_goes_by_starttls_with_a_login(
    sink: Callable[..., MailSink], authority: Authority, tmp_path: Path
) -> None:
    server = sink(certificate=authority.issue("one"), login=True)
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    login: dict[str, Any] = {"user": USER, "password": {"file": "password"}, "ca": str(authority.path)}
    own = channel(server.port, folder=tmp_path, security="starttls", **login)
    with own.connect() as session:
        session.send(notice())
        session.send(notice("changed"))
    assert [(each["from"], each["to"], each["encrypted"], each["login"]) for each in server.taken()] == [
        ("schoolgate@district.example", [OFFICER], True, True)
    ] * 2
    assert "STARTTLS" in own.trial()
    assert len(server.taken()) == 2  # a trial tells nothing
    wrong = channel(server.port, folder=tmp_path, security="starttls", **{**login, "password": "wrong"})
    with pytest.raises(ChannelDownError, match="login is refused"):
        wrong.trial()


def test_mail_goes_by_tls_from_the_first_octet(
    sink: Callable[..., MailSink], authority: Authority, tmp_path: Path
) -> None:
    server = sink(certificate=authority.issue("two"), implicit=True)
    own = channel(server.port, folder=tmp_path, security="tls", ca=str(authority.path))
    with own.connect() as session:
        session.send(notice())
    assert server.taken()[0]["encrypted"]


def test_a_server_that_nobody_vouches_for_gets_no_mail(
    sink: Callable[..., MailSink], authority: Authority, tmp_path: Path
) -> None:
    server = sink(certificate=authority.issue("three"))
    with pytest.raises(ChannelDownError, match=r"certificate of 127\.0\.0\.1 does not hold"):
        channel(server.port, folder=tmp_path, security="starttls").trial()
    other = sink(certificate=authority.issue("four", host="elsewhere.example"))
    with pytest.raises(ChannelDownError, match="certificate"):
        channel(other.port, folder=tmp_path, security="starttls", ca=str(authority.path)).trial()


def test_no_mail_goes_over_an_open_line_unless_that_was_asked_for(
    sink: Callable[..., MailSink], tmp_path: Path
) -> None:
    server = sink()
    with pytest.raises(ChannelDownError, match=r"STARTTLS.*security: none"):
        channel(server.port, folder=tmp_path, security="starttls").trial()
    assert server.taken() == []
    # A mail server on this very host, as in the example of the contract.
    with channel(server.port, folder=tmp_path).connect() as session:
        session.send(notice())
    assert len(server.taken()) == 1


def test_one_mail_that_is_refused_is_not_the_whole_channel(sink: Callable[..., MailSink], tmp_path: Path) -> None:
    server = sink(refuse="mathtrek")
    with channel(server.port, folder=tmp_path).connect() as session:
        with pytest.raises(NoticeRefusedError, match=r"554 5\.7\.1 this mail is not liked"):
            session.send(notice())
        session.send(notice(agreement="other"))
    assert len(server.taken()) == 1


def test_a_full_mailbox_is_a_channel_that_is_down_and_a_server_that_is_away_too(
    sink: Callable[..., MailSink], tmp_path: Path
) -> None:
    server = sink(full="full@district.example")
    own = channel(server.port, folder=tmp_path, to="full@district.example")
    with own.connect() as session, pytest.raises(ChannelDownError, match=r"452 4\.2\.2 the mailbox is full"):
        session.send(notice())
    with pytest.raises(ChannelDownError, match="mailbox is full"):
        own.trial()
    server.kill()
    with pytest.raises(ChannelDownError, match=rf"127\.0\.0\.1:{server.port}: .*refused"):
        own.trial()


def test_names_in_addresses_in_any_script_are_written_as_the_standard_has_it() -> None:
    letters = Letters(templates=TEMPLATES, place=PLACE, clock=Hands())
    made = letters.letter(notice(), sender="Škola <s@district.example>", recipient="Ženy <z@district.example>")
    made.as_bytes().decode("ascii")
    assert "Škola" in BytesParser(policy=policy.default).parsebytes(made.as_bytes())["From"]
