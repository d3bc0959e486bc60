"""Webhooks on a real web server: signed, checked, and never sent elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.notify.channel import CaseNotice, Channel, ChannelDownError, NoticeRefusedError
from rules.notify.channels import Channels, open_channels, try_channels
from rules.notify.docket import Standing
from rules.notify.wording import specimen
from rules.settings import Notify
from tests.parts.certificates import Authority
from tests.parts.ports import free_ports
from tests.parts.web_sink import WebSink
from tests.rules.told_cases import PLACE, Hands

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notifications.md"
SECRET = "between us"  # noqa: S105 -- of a test


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSink]:
    own = WebSink(tmp_path_factory.mktemp("web"))
    yield own
    own.kill()


def notice(event: str = "opened", *, supported: bool = True) -> CaseNotice:
    standing = Standing(
        case_id="4f1c", seq=3, supported=supported, status="new", quiet=None, view=specimen(), seen_at=3, spells=()
    )
    return CaseNotice(seq=3, event=event, standing=standing)


def opened(*hooks: Any, folder: Path) -> Channels:
    settings = Notify.model_validate({"webhook": list(hooks)})
    return open_channels(settings, folder=folder, place=PLACE, clock=Hands())


@pytest.fixture
def hook(sink: WebSink, tmp_path: Path) -> Callable[[str], Channel]:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")

    def make(path: str) -> Channel:
        return opened({"url": sink.address + path, "secret": {"file": "secret"}}, folder=tmp_path).messages[0]

    return make


def send(channel: Channel, told: CaseNotice) -> None:
    with channel.connect() as session:
        session.send(told)


def test_a_receiver_can_tell_who_sent_it_and_when(hook: Callable[[str], Channel], sink: WebSink) -> None:
    send(hook("/signed"), notice())
    post = next(each for each in sink.posts() if each["path"] == "/signed")
    at, _, mark = post["headers"]["x-schoolgate-signature"].partition(",v1=")
    assert at == f"t={int(Hands().at.timestamp())}"
    signed = f"{at[2:]}.{post['body']}".encode()
    assert mark == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert post["headers"]["content-type"] == "application/json"


def test_the_check_that_we_tell_receivers_to_make_knows_ours_from_others(
    hook: Callable[[str], Channel], sink: WebSink
) -> None:
    send(hook("/checked"), notice())
    post = next(each for each in sink.posts() if each["path"] == "/checked")
    header, body, now = post["headers"]["x-schoolgate-signature"], post["body"].encode(), Hands().at.timestamp()
    source = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
    exec(source[0], names)  # noqa: S102 -- our own page
    genuine = names["genuine"]
    assert genuine(header, body, SECRET.encode(), now)
    assert not genuine(header, body + b" ", SECRET.encode(), now)
    assert not genuine(header, body, b"another", now)
    assert not genuine(header, body, SECRET.encode(), now + 301)


def test_what_is_posted_says_how_the_case_stands_and_can_be_known_again(
    hook: Callable[[str], Channel], sink: WebSink
) -> None:
    channel = hook("/told")
    for told in (notice(), notice(), notice("withdrawn", supported=False)):
        send(channel, told)
    first, again, ended = [json.loads(each["body"]) for each in sink.posts() if each["path"] == "/told"]
    assert first == again
    assert first == {
        "v": 1, "kind": "case", "id": "4f1c.3", "event": "opened", "state": "open", "status": "new",
        "district": "Riverbend Schools", "url": "https://desk.example/cases/4f1c",
        "case": {"id": "4f1c", **specimen()},
    }  # fmt: skip
    assert (ended["state"], ended["status"]) == ("resolved", "withdrawn")
    assert {each["headers"]["idempotency-key"] for each in sink.posts() if each["path"] == "/told"} == {"4f1c.3"}


def test_a_redirect_is_not_followed(hook: Callable[[str], Channel], sink: WebSink) -> None:
    with pytest.raises(ChannelDownError, match=r"302.*points elsewhere"):
        send(hook("/redirect"), notice())
    assert "/elsewhere" not in {each["path"] for each in sink.posts()}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, NoticeRefusedError), (422, NoticeRefusedError), (401, ChannelDownError), (404, ChannelDownError),
        (429, ChannelDownError), (500, ChannelDownError), (503, ChannelDownError),
    ],
)  # fmt: skip
def test_a_body_that_is_refused_is_another_fault_than_a_server_that_is_not_well(
    hook: Callable[[str], Channel], status: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match=str(status)):
        send(hook(f"/status/{status}"), notice())


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    authority = Authority("district", folder=tmp_path)
    server = WebSink(tmp_path / "tls", certificate=authority.issue("web"))
    try:
        stranger, known = opened(
            {"url": f"{server.address}/a"}, {"url": f"{server.address}/b", "ca": str(authority.path)}, folder=tmp_path
        ).messages
        with pytest.raises(ChannelDownError, match=r"certificate of 127\.0\.0\.1 does not hold"):
            send(stranger, notice())
        send(known, notice())
        assert [each["path"] for each in server.posts()] == ["/b"]
    finally:
        server.kill()


def test_the_name_of_a_channel_holds_no_part_of_its_address_that_may_be_a_secret(tmp_path: Path) -> None:
    one, other = opened("https://hook.example/T0KEN?key=s3cret", "https://hook.example/other", folder=tmp_path).messages
    assert one.name.startswith("webhook:hook.example:")
    assert one.name != other.name
    assert "T0KEN" not in one.name
    assert "s3cret" not in one.name


def test_each_channel_can_be_tried_without_telling_a_case(sink: WebSink, tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    settings = Notify.model_validate(
        {
            "webhook": [f"{sink.address}/trial", f"{sink.address}/status/500", f"http://127.0.0.1:{nobody}"],
            "alertmanager": [f"{sink.address}/none", f"http://127.0.0.1:{nobody}"],
        }
    )
    trials = try_channels(open_channels(settings, folder=tmp_path, place=PLACE))
    assert [trial.works for trial in trials] == [True, False, False, False, False]
    (post,) = [each for each in sink.posts() if each["path"] == "/trial"]
    assert json.loads(post["body"])["kind"] == "test"
    assert "500" in trials[1].words
    assert "refused" in trials[2].words
