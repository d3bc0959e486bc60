"""The part `notify` of the configuration: what it may say, and what is told where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from collector.problems import DocumentError
from rules.notify.channels import Channels, open_channels
from rules.settings import Notify
from schoolgate.configuration import configuration_at
from tests.rules.told_cases import PLACE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notifications.md"
OF_THE_CONTRACT = """
  alertmanager: [http://127.0.0.1:9093]
  mail: {host: 127.0.0.1, port: 25, sender: schoolgate@district.example, to: [privacy@district.example]}
  webhook: []
"""
MAIL = "mail: {host: mail.example, sender: a@d.example, to: [b@d.example]"


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Notify]:
    def read(notify: str) -> Notify:
        path = tmp_path / "config.yaml"
        path.write_text(f"schema: schoolgate/config/1\nnetwork: network.yaml\nnotify:\n{notify}", encoding="utf-8")
        return configuration_at(path).notify

    return read


@pytest.fixture
def opened(configured: Callable[[str], Notify], tmp_path: Path) -> Callable[[str], Channels]:
    return lambda notify: open_channels(configured(notify), folder=tmp_path, place=PLACE)


def test_the_example_of_the_contract_is_read_as_it_stands(opened: Callable[[str], Channels]) -> None:
    channels = opened(OF_THE_CONTRACT)
    assert channels.names == ("mail:privacy@district.example", "alertmanager:127.0.0.1:9093")
    assert (channels.quiet, channels.weekly) == (None, None)


def test_everything_that_may_be_said_can_be_said(opened: Callable[[str], Channels], tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    for name in ("mail.password", "hook.secret"):
        (tmp_path / name).write_text("secret\n", encoding="utf-8")
    channels = opened("""
  alertmanager: [http://one.example:9093, https://two.example/alerts/]
  mail:
    host: mail.example
    port: 587
    security: starttls
    user: schoolgate
    password: {file: mail.password}
    sender: Schoolgate <schoolgate@district.example>
    to: [privacy@district.example, Second <second@district.example>]
  webhook: [http://hook.example/a, {url: https://hook.example/b, secret: {file: hook.secret}}]
  quiet_hours: {from: "18:00", to: "07:00", except: critical}
  digest: {weekday: fri, at: "08:30"}
  templates: words
  runbooks_url: https://wiki.example/runbooks
""")
    assert len(channels.names) == 6
    assert channels.quiet is not None
    assert (channels.quiet.start, channels.quiet.end, channels.quiet.but_critical) == (time(18), time(7), True)
    assert channels.weekly is not None
    assert (channels.weekly.weekday, channels.weekly.at) == (4, time(8, 30))


def test_the_example_of_our_page_is_read_as_it_stands(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "config.yaml"
    path.write_text(f"schema: schoolgate/config/1\nnetwork: network.yaml\n{example}", encoding="utf-8")
    settings = configuration_at(path)
    assert settings.notify.digest is not None
    assert settings.desk.address == "https://schoolgate.district.example"


@pytest.mark.parametrize(
    ("notify", "says"),
    [
        ("  alertmanger: []", "did you mean `alertmanager`?"),
        (f"  {MAIL}, securty: tls}}", "did you mean `security`?"),
        (f"  {MAIL}, security: ssl}}", "one of starttls, tls, none"),
        (f"  {MAIL}, user: me}}", "a login needs `user` and `password`"),
        (f"  {MAIL}, user: me, password: x, security: none}}", "over an open line"),
        ("  mail: {host: h, sender: nobody, to: [b@d.example]}", "`nobody` is not a mail address"),
        ('  mail: {host: h, sender: a@d.example, to: ["b@d.example\\nBcc: x@y.example"]}', "is not a mail address"),
        ('  mail: {host: h, sender: a@d.example, to: ["b@d.example, c@d.example"]}', "is not a mail address"),
        ("  webhook: [{url: http://x.example, secrt: x}]", "did you mean `secret`?"),
        ("  webhook: [file:///etc/passwd]", "is not a web address"),
        ("  webhook: [http://me:pw@x.example]", "holds no login"),
        ("  webhook: [http://x.example, http://x.example/]", "is listed twice"),
        ("  alertmanager: [http://x.example:port]", "is not a web address"),
        ("  alertmanager: [https://x.example, {url: https://x.example, ca: ca.pem}]", "is listed twice"),
        ('  quiet_hours: {from: "18:00", to: "18:00"}', "end when they begin"),
        ('  quiet_hours: {from: "18:00", to: "24:00"}', "not a time of day"),
        ('  quiet_hours: {from: "18:00", to: "07:00", except: all}', "write critical"),
        ("  digest: {weekday: fri}", "a digest needs `mail`"),
        (f"  {MAIL}}}\n  digest: {{weekday: friday}}", "did you mean `fri`?"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_remedy(
    configured: Callable[[str], Notify], tmp_path: Path, notify: str, says: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        configured(notify + "\n")
    assert says in str(caught.value)
    line = notify.count("\n") + 4
    assert str(caught.value).startswith(f"{tmp_path}/config.yaml:{line}: "), str(caught.value)


@pytest.mark.parametrize(
    ("notify", "file"),
    [
        (f"  {MAIL}, user: me, password: {{file: nosuch}}}}", "nosuch"),
        (f"  {MAIL}, ca: config.yaml}}", "config.yaml"),
        (f"  {MAIL}}}\n  templates: nosuch", "nosuch"),
        ("  webhook: [{url: http://x.example, secret: {file: nosuch}}]", "nosuch"),
        ("  alertmanager: [{url: https://x.example, ca: nosuch}]", "nosuch"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_at_the_start(
    opened: Callable[[str], Channels], tmp_path: Path, notify: str, file: str
) -> None:
    with pytest.raises(DocumentError, match=str(tmp_path / file)):
        opened(notify + "\n")


@pytest.mark.parametrize(
    ("more", "security"),
    [("", "starttls"), (", port: 465", "tls"), (", port: 587", "starttls"), (", security: none", "none")],
)
def test_mail_to_another_host_is_encrypted_unless_the_district_says_otherwise(
    opened: Callable[[str], Channels], more: str, security: str
) -> None:
    assert opened(f"  {MAIL}{more}}}\n").messages[0]._server.security == security  # type: ignore[attr-defined]
