"""No secret comes out: planted ones are looked for in whatever the product prints, logs, stores or shows of itself.

Each secret is planted where a district would put it, worst of all in the configuration itself; then everything goes
wrong that can: what is unreachable, refuses, is mistyped or crashes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.brokers import connection
from rules.kafka import Member
from rules.store import Store, StoreError
from schoolgate.configuration import configuration_at
from schoolgate.configured_channels import configured_channels
from tests.parts.mail_sink import MailSink
from tests.parts.postgres import Postgres
from tests.parts.secure_broker import SecureBroker
from tests.parts.web_sink import WebSink
from tests.system.logins import at
from tests.system.product import ROOT, command, configure, free_port, schoolgate, scrape, until

# Each is found again whole or by its middle, however it was quoted, cut or encoded.
KAFKA, DATABASE, MAIL, HOOK = "PLANTED-kafka-x7", "PLANTED-database-x7", "PLANTED-mail-x7", "PLANTED-hook-x7"
DEVICE_KEY = bytes.fromhex("a5" * 4 + "0102030405060708" * 3 + "5a" * 4)
PLANTED = ("PLANTED", DEVICE_KEY.hex()[8:40], repr(DEVICE_KEY)[4:24], "x7:", ":x7")
VERBS = (
    "agreements", "break-glass", "cases", "check", "collect", "demo", "desk", "doctor", "explain-coverage", "flows",
    "judge", "kafka", "parties", "privacy", "rules", "run", "store",
)  # fmt: skip


def clean(text: str, *, more: tuple[str, ...] = ()) -> str:
    """Return *text*, in which there is no secret."""
    for each in (*PLANTED, *more):
        assert each not in text, f"{each} in: {text}"
    return text


def whole(done: subprocess.CompletedProcess[str]) -> str:
    """Return all that a verb said, in which there is no secret and no traceback."""
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return clean(said)


def plant(folder: Path, *, store: str = "", kafka: str = KAFKA, mail: str = MAIL, hook: str = HOOK) -> Path:
    """Write a configuration with every secret in it, and return its path. Nobody listens where it leads."""
    config = configure(folder)
    text = config.read_text(encoding="utf-8")
    if store:
        text = re.sub(r"store: .*", f"store: {store}", text)
    port = free_port()
    security = f"{{protocol: SASL_SSL, user: tap, password: {kafka}}}"
    text += f'kafka: {{bootstrap: ["127.0.0.1:{port}"], security: {security}}}\n'
    login = f"user: district, password: {mail}, security: starttls"
    text += f"notify:\n  mail: {{host: 127.0.0.1, port: {port}, sender: s@d.example, to: [p@d.example], {login}}}\n"
    text += f'  webhook: [{{url: "https://127.0.0.1:{port}/hook", secret: {hook}}}]\n'
    config.write_text(text, encoding="utf-8")
    keys = folder / "keys"
    keys.write_text(json.dumps({"2026-10-14T00": DEVICE_KEY.hex()}), encoding="ascii")
    keys.chmod(0o600)
    return config


DEAD_STORE = f"postgresql+psycopg://schoolgate:{DATABASE}@127.0.0.1:1/schoolgate"


def test_what_cannot_be_reached_is_told_without_its_password(district: Path) -> None:
    config = plant(district, store=DEAD_STORE)
    certificate, purge = ("privacy", "certificate", "--year", "2026"), ("privacy", "purge")
    for words in (
        ("doctor",), ("cases",), ("cases", "verify"), ("desk",), ("privacy", "report"), certificate, purge
    ):  # fmt: skip
        done = schoolgate(*words, "--config", config)
        said = whole(done)
        assert done.returncode == 3, said
        assert "schoolgate:***@127.0.0.1:1/schoolgate cannot be used" in said


WRONG_STORES = pytest.mark.parametrize(
    ("store", "says"),
    [
        # What stands after a question mark reaches the driver as well; a password may stand there.
        (f"postgresql+psycopg://u@127.0.0.1:1/db?password={DATABASE}", "cannot be used"),
        # The part after the first @ would be a host that nobody knows, and be named as one.
        (f"postgresql+psycopg://u:half@{DATABASE}@127.0.0.1:1/db", "more than one @"),
        (f"postgresql+psycopg://u:{DATABASE}@127.0.0.1:port/db", "does not work here"),
        (f"nosuchbase://u:{DATABASE}@127.0.0.1/db", "does not work here"),
        (f"mysql://u:{DATABASE}@127.0.0.1/db", "store"),
        (f"postgresql+psycopg://u:{DATABASE}@127.0.0.1:1/db?nosuchoption=x7:", "store"),
        (f"postgresql+psycopg//u@127.0.0.1/db?password={DATABASE}", "does not begin with a kind"),
        (DATABASE, "does not begin with a kind"),
    ],
)


@WRONG_STORES
def test_a_store_address_that_does_not_work_is_told_without_its_password(store: str, says: str) -> None:
    with pytest.raises(StoreError) as told:
        Store(store)
    assert says in clean(str(told.value))


@WRONG_STORES
def test_what_is_held_is_reported_without_the_address_of_a_store_that_does_not_work(
    store: str, says: str, district: Path
) -> None:
    config = plant(district, store=f'"{store}"')
    for words in (("privacy", "report"), ("privacy", "report", "--json")):
        done = schoolgate(*words, "--config", config)
        assert done.returncode == 3
        assert says in whole(done)


SLIPS = {
    "a number": {"kafka": "7700077", "mail": "7700077", "hook": "7700077"},
    "a list": {"kafka": f"[{KAFKA}]", "mail": f"[{MAIL}]", "hook": f"[{HOOK}]"},
    "another key": {"kafka": f"{{fil: {KAFKA}}}", "mail": f"{{{MAIL}: file}}", "hook": f"{{file: [{HOOK}]}}"},
    "an open quote": {"kafka": f'"{KAFKA}'},
    "a colon": {"kafka": f"{KAFKA}: {KAFKA}"},
    "an alias": {"kafka": f"*{KAFKA}"},
    "an anchor": {"kafka": f"&{KAFKA} {KAFKA}", "mail": "[]"},
    "an at sign": {"kafka": f"@{KAFKA}"},
    "a back quote": {"kafka": f"`{KAFKA}"},
    "a percent sign": {"kafka": f"%{KAFKA}"},
    "a bar": {"kafka": f"|{KAFKA}"},
    "a brace": {"kafka": "{" + KAFKA},
    "a dash": {"kafka": f"- {KAFKA}"},
    "a tag": {"kafka": f"!{KAFKA} {KAFKA}"},
    "a tab": {"kafka": f'"\\q{KAFKA}"'},
    "twice": {"kafka": f"a, password: {KAFKA}"},
    "a key beside it": {"kafka": f"{KAFKA}, passwort: {KAFKA}"},
}


@pytest.mark.parametrize("slip", sorted(SLIPS))
def test_a_slip_where_a_secret_stands_is_told_by_file_and_line_alone(slip: str, district: Path) -> None:
    config = plant(district, **SLIPS[slip])
    done = schoolgate("cases", "--config", config)
    said = clean(whole(done), more=("7700077",))
    assert done.returncode == 2, said
    assert f"{config}:" in said


def test_a_secret_in_a_variable_is_never_shown_either(district: Path) -> None:
    config = plant(district)
    Store(f"sqlite:///{district / 'cases.db'}").close()
    name = "SCHOOLGATE_KAFKA__SECURITY__PASSWORD"
    for value in (KAFKA, f"[{KAFKA}]", f"{{fil: {KAFKA}}}", f'"{KAFKA}', f"*{KAFKA}", "7700077"):
        done = schoolgate("cases", "--config", config, environment={**os.environ, name: value})
        said = clean(whole(done), more=("7700077",))
        assert done.returncode == (0 if value == KAFKA else 2), said


def test_a_secret_file_that_cannot_be_read_is_named_and_not_shown(district: Path) -> None:
    (district / "secret").write_bytes(b"\xff\xfe" + KAFKA.encode())
    config = plant(district, kafka="{file: secret}", mail="{file: nowhere}", hook="{file: secret}")
    for words in (("kafka", "check"), ("desk",), ("doctor",)):
        done = schoolgate(*words, "--config", config)
        assert done.returncode in {2, 3}
        assert "secret" in whole(done)


def test_a_key_file_that_is_wrong_is_named_and_not_shown(district: Path) -> None:
    config = plant(district)
    Store(f"sqlite:///{district / 'cases.db'}").close()
    keys = district / "keys"
    for text in (json.dumps([DEVICE_KEY.hex()]), "[1]", json.dumps({DEVICE_KEY.hex(): "x"}), DEVICE_KEY.hex()):
        keys.write_text(text, encoding="ascii")
        done = schoolgate("privacy", "report", "--config", config)
        assert done.returncode == 3, done.stderr
        assert f"not seen: {keys}: this is no key file" in whole(done)
    for text in (
        json.dumps({"2026-10-14T00": DEVICE_KEY.hex() + "PLANTED"}),
        json.dumps([DEVICE_KEY.hex()]),
        DEVICE_KEY.hex(),
    ):
        keys.write_text(text, encoding="ascii")
        done = schoolgate("run", "--config", config)
        assert done.returncode == 2, done.stderr
        assert "key file" in whole(done)
    keys.write_text(json.dumps({"2026-10-14T00": DEVICE_KEY.hex()}), encoding="ascii")
    keys.chmod(0o644)
    assert "chmod 600" in whole(schoolgate("run", "--config", config))


def test_help_says_nothing_of_what_the_environment_holds() -> None:
    planted = {
        **os.environ,
        "SCHOOLGATE_KAFKA__SECURITY__PASSWORD": KAFKA,
        "SCHOOLGATE_STORE": DEAD_STORE,
        "SCHOOLGATE_NOTIFY__MAIL__PASSWORD": MAIL,
    }
    for verb in VERBS:
        done = schoolgate(verb, "--help", environment=planted)
        assert done.returncode == 0, done.stderr
        whole(done)


CRASH = """
    import faulthandler, logging, sys, threading, traceback
    from pathlib import Path
    from collector.brokers import connection
    from rules.kafka import Member
    from rules.store import Store
    from schoolgate.configuration import configuration_at
    from schoolgate.configured_channels import configured_channels

    logging.basicConfig(level=logging.DEBUG)
    faulthandler.enable()
    config = Path(sys.argv[1])
    settings = configuration_at(config)
    broker = connection(settings.kafka, config=config)
    channels = configured_channels(settings, folder=config.parent)
    member = Member(client=broker.options, name="one", instance=None, say=print)
    held = [settings, settings.kafka, settings.notify, broker, channels, member]

    def dies():
        # As careless as can be: everything that holds a secret is in the error itself.
        raise RuntimeError(*held)

    thread = threading.Thread(target=dies)
    thread.start()
    thread.join()
    print(repr(held), [str(each) for each in held], settings.model_dump_json(), settings.model_dump())
    try:
        Store(settings.store)
    except Exception:
        traceback.print_exc()
    traceback.TracebackException(RuntimeError, RuntimeError(held), None, capture_locals=True).format()
    raise SystemError(settings)
"""


def test_a_crash_shows_no_secret_though_everything_that_holds_one_is_in_its_message(district: Path) -> None:
    # The dump of a model has the address of the store in it: that is what the field is. So it is not planted here.
    config = plant(district)
    words = [sys.executable, "-X", "dev", "-W", "ignore", "-c", textwrap.dedent(CRASH), str(config)]
    found = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=district, env=found)
    said = clean(done.stdout + done.stderr)
    assert done.returncode == 1
    assert said.count("Traceback") >= 2
    assert "**********" in said


def test_the_address_of_the_store_is_in_no_repr(district: Path) -> None:
    config = plant(district, store=DEAD_STORE)
    settings = configuration_at(config)
    clean(f"{settings} {settings!r} {[settings]}")
    broker = connection(settings.kafka, config=config)
    member = Member(client=broker.options, name="one", instance=None, say=print)
    clean(f"{broker!r} {member!r} {configured_channels(settings, folder=district)!r}")
    # It is there for who needs it.
    assert KAFKA in str(broker.options)
    assert settings.store == DEAD_STORE


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[MailSink]:
    folder = tmp_path / "mail"
    folder.mkdir()
    server = MailSink(folder, login=True)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[WebSink]:
    folder = tmp_path / "web"
    folder.mkdir()
    server = WebSink(folder)
    try:
        yield server
    finally:
        server.kill()


def test_a_database_that_refuses_a_password_is_told_without_it(postgres: Postgres, district: Path) -> None:
    address = postgres.database()
    port = re.search(r":(\d+)/", address)
    assert port is not None
    # A user whom the server does not know is refused, whatever the password is.
    store = f"postgresql+psycopg://stranger:{DATABASE}@127.0.0.1:{port[1]}/postgres"
    for words in (("cases",), ("doctor",)):
        done = schoolgate(*words, "--config", plant(district, store=store))
        assert done.returncode == 3
        assert 'role "stranger" does not exist' in whole(done)


@pytest.mark.kafka
def test_a_broker_that_refuses_a_password_is_told_without_it(secure_broker: SecureBroker, district: Path) -> None:
    config = at(secure_broker.bootstrap, broker=secure_broker, district=district, user="newcomer", password=KAFKA)
    for words in (("kafka", "check"), ("doctor",), ("collect",), ("judge",)):
        done = schoolgate(*words, "--config", config)
        assert done.returncode == 3
        assert "newcomer" in whole(done)


def test_a_running_service_shows_no_secret_in_its_process_list_log_store_or_metrics(
    district: Path, mail_server: MailSink, web_server: WebSink
) -> None:
    config = plant(district, mail=MAIL, hook=HOOK)
    text = config.read_text(encoding="utf-8")
    text = re.sub(r"host: 127.0.0.1, port: \d+", f"host: 127.0.0.1, port: {mail_server.port}", text)
    text = re.sub(r'url: "[^"]*"', f'url: "{web_server.address}/hook"', text)
    listen = f"127.0.0.1:{free_port()}"
    config.write_text(text, encoding="utf-8")
    log = district / "service.log"
    with log.open("wb") as out:
        service = subprocess.Popen(
            [*command("run", "--config", config, "--stay", "--metrics", listen)],
            cwd=ROOT, stdout=out, stderr=out, env={**os.environ, "PYTHONASYNCIODEBUG": "1"},
        )  # fmt: skip
        try:
            # The mail server wants STARTTLS and has none, so that the log-in never comes; the webhook is signed.
            until(lambda: bool(web_server.posts()) or service.poll() is not None, what="the first webhook")
            assert service.poll() is None, log.read_text(encoding="utf-8")
            shown = (Path("/proc") / str(service.pid) / "cmdline").read_bytes().decode()
            # The environment and the memory belong to root alone, whoever the service runs as.
            assert (Path("/proc") / str(service.pid) / "environ").stat().st_uid == 0
            metrics = scrape(listen)
        finally:
            service.kill()
            service.wait()
    clean(shown)
    clean(metrics)
    clean(log.read_text(encoding="utf-8"))
    clean(json.dumps(web_server.posts()))
    for path in sorted(
        each for each in district.rglob("*") if each.is_file() and each.name not in {"keys", config.name}
    ):
        octets = path.read_bytes()
        assert b"PLANTED" not in octets, path
        assert DEVICE_KEY not in octets, path
        assert DEVICE_KEY.hex().encode() not in octets, path
