"""Looks at everything that the configuration names, and says what to do: what `schoolgate doctor` does."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from collector.brokers import connection
from collector.documents import DocumentError
from collector.fields import SecretFile
from collector.health.broker import broker
from collector.health.certificates import Named, certificates
from collector.health.clock import clock
from collector.health.disk import Need, disk
from collector.health.interface import interfaces, offload, traffic
from collector.health.keys import keys
from collector.health.rights import account, capture, folders, secrets
from collector.health.sensors import FLOWS, LOOK_UPS, netflow, suricata, zeek
from collector.health.tables import tables
from collector.outcomes import misconfigured, not_applicable
from collector.segments import load_network
from rules.health.alertmanager import alertmanager
from rules.health.lists import lists
from rules.health.mail import mail
from rules.health.rulebook import rulebook
from rules.health.store import store
from schoolgate.configuration import configuration_at, store_address
from schoolgate.configured import rulebook_files
from schoolgate.parts import Part
from schoolgate.rounds import LIMIT_S, Check, Seen, make_rounds, problems
from schoolgate.shell import Exit, today

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from collector.outcomes import Outcome
    from collector.settings import Source
    from collector.topics import Role
    from schoolgate.configuration import Configuration

    Look = Callable[[], Iterable[Outcome]]

ROLES: Final[dict[Part, Role]] = {Part.COLLECT: "collector", Part.JUDGE: "judge"}
# Reading some hundred agreements is work, not waiting: a fiftieth of a second each.
LONGER_S: Final = {"agreements": 60.0}
# Years of cases of a large district, many times over.
STORE_OCTETS: Final = 1 << 30
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not applicable": "dim"}
_WORDS = {"not applicable": "n/a"}
_SQLITE = "sqlite:///"


def doctor(config: Path, *, parts: Sequence[Part], user: str | None, as_json: bool) -> Exit:
    """Do what `schoolgate doctor` does.

    Args:
        config: the configuration file.
        parts: the services that run here; none: whatever the configuration names.
        user: who the services run as; None: this user, or, as root, the owner of the configuration's folder.
        as_json: print one JSON document.

    Returns:
        How to exit: a wrong file comes before a failed environment.
    """
    try:
        settings = configuration_at(config)
        checks = Consultation(settings, folder=config.parent, parts=parts, user=user).checks(config)
    except DocumentError as error:
        wrong = tuple(
            misconfigured(f"{each.path}:{each.line}: {each.what}", remedy=each.remedy) for each in error.problems
        )
        seen = [Seen(check="configuration", outcomes=wrong, seconds=0.0)]
    else:
        seen = make_rounds(checks)
    found = list(problems(seen))
    if as_json:
        sys.stdout.write(_document(seen))
    else:
        _show(seen)
    if any(each.wrong == "configuration" for each in found):
        return Exit.WRONG_INPUT
    return Exit.ENVIRONMENT if found else Exit.DONE


class Consultation:
    """Which looks an installation needs.

    Args:
        settings: the configuration.
        folder: where relative paths in it start.
        parts: the services that run here; none: whatever the configuration names.
        user: who the services run as.
    """

    def __init__(self, settings: Configuration, *, folder: Path, parts: Sequence[Part], user: str | None) -> None:
        self._settings = settings
        self._folder = folder
        self._parts = frozenset(parts)
        self._user = user
        self._source = settings.source
        self._interfaces = _interfaces(settings.source)
        self._kafka = "kafka" in settings.model_fields_set
        self._store = store_address(settings.store, folder=folder)

    def checks(self, config: Path) -> list[Check]:
        """Return the looks, in the order in which they are printed.

        Raises:
            DocumentError: a file that the configuration names for the broker cannot be read.
        """
        settings, folder, names = self._settings, self._folder, self._interfaces
        notify = settings.notify
        files = rulebook_files(settings, folder=folder)
        parties = [folder / path for path in settings.parties]
        tap = self._no_part(Part.COLLECT, Part.RUN) or (None if names else "the configuration names no interface")
        sensor = self._no_part(Part.COLLECT, Part.RUN) or (
            None if self._source and self._source.is_sensor else "the configuration names no other sensor"
        )
        kafka = self._no_part(Part.COLLECT, Part.JUDGE) or (
            None if self._kafka else "the configuration names no `kafka`"
        )
        telling = self._no_part(Part.DESK, Part.RUN)
        to = connection(settings.kafka, config=config)
        looks: list[tuple[str, str | None, Look]] = [
            ("agreements", None, partial(rulebook, files, today=today)),
            ("lists", None, partial(lists, parties=parties, location=files.location, today=datetime.now(UTC).date())),
            ("interface", tap, partial(interfaces, names)),
            ("offload", tap, partial(offload, names)),
            ("rights", tap, capture),
            ("traffic", tap, partial(traffic, names)),
            ("tables", tap, partial(tables, settings.metrics.listen, certificate=self._certificate())),
            ("sensor", sensor, self._sensor),
            ("clock", None, clock),
            ("folders", None, self._folders),
            ("keys", self._no_part(Part.COLLECT, Part.RUN), self._keys),
            ("secrets", None, self._secrets),
            ("certificates", None, self._certificates),
            ("disk", None if (needs := self._needs()) else "nothing is written here", partial(disk, needs)),
            ("broker", kafka, partial(broker, to, role=broker_role(self._parts))),
            ("store", self._no_part(Part.JUDGE, Part.DESK, Part.RUN), partial(store, self._store)),
            ("alertmanager", telling or _named(notify.alertmanager, "alertmanager"),
             partial(alertmanager, notify.alertmanager, folder=folder)),
            ("mail", telling or _named(notify.mail, "mail"), partial(mail, notify, folder=folder)),
        ]  # fmt: skip
        return [
            Check(name=name, look=_nothing(why) if why else look, limit_s=LONGER_S.get(name, LIMIT_S))
            for name, why, look in looks
        ]

    def _no_part(self, *parts: Part) -> str | None:
        """Return why a look that only these parts need is left out, None: it is not."""
        if not self._parts or self._parts & set(parts):
            return None
        return f"only {' and '.join(parts)} need it"

    def _certificate(self) -> Path | None:
        """Return the file of the certificate that metrics are told with, None: they are told in the clear."""
        tls = self._settings.metrics.tls
        return None if tls is None else self._folder / tls.certificate

    def _certificates(self) -> Iterable[Outcome]:
        doors = {"the door of metrics": self._settings.metrics.tls, "the desk's door": self._settings.desk.tls}
        found = [
            Named(
                what=what, certificate=self._folder / tls.certificate, key=self._folder / (tls.key or tls.certificate)
            )
            for what, tls in doors.items()
            if tls is not None
        ]
        notify = self._settings.notify
        trusted = {f"authority of {hook.url}": hook.ca for hook in notify.webhook}
        trusted |= {f"authority of {each.url}": each.ca for each in notify.alertmanager}
        if notify.mail is not None:
            trusted["authority of the mail server"] = notify.mail.ca
        if self._kafka:
            trusted["authority of the broker"] = self._settings.kafka.security.ca
        found += [Named(what=what, certificate=self._folder / path, key=None) for what, path in trusted.items() if path]
        return certificates(found, now=datetime.now(UTC)) if found else [not_applicable("no certificate is named")]

    def _sensor(self) -> Iterable[Outcome]:
        source = self._source
        who = account(self._user, folder=self._folder)
        if source is None or who is None:
            return
        where = self._folder
        if source.zeek is not None:
            yield from zeek(where / source.zeek, needs=FLOWS, who=who)
        if source.suricata is not None:
            paths = [source.suricata] if isinstance(source.suricata, str) else source.suricata
            yield from suricata([where / path for path in paths], needs=FLOWS, who=who)
        if source.netflow is not None:
            yield from netflow(source.netflow)
            names = source.netflow.dns
            if names is not None and names.zeek is not None:
                yield from zeek(where / names.zeek, needs=LOOK_UPS, who=who)
            if names is not None and names.suricata is not None:
                yield from suricata([where / names.suricata], needs=LOOK_UPS, who=who)

    def _folders(self) -> Iterable[Outcome]:
        places = {}
        if self._no_part(Part.COLLECT, Part.RUN) is None and self._source is not None:
            places["keys"] = (self._folder / self._settings.privacy.key_file).parent
            if self._source.is_sensor:
                places["places in the logs"] = (self._folder / self._source.places).parent
        if self._kafka and self._no_part(Part.COLLECT) is None:
            places["spool"] = (self._folder / self._settings.spool.path).parent
        if (file := self._database_file()) is not None:
            places["case store"] = file.parent
        who = account(self._user, folder=self._folder)
        if who is None:
            return [misconfigured(f"there is no user {self._user}", remedy="name the user of the service as --user")]
        return folders(places, who=who) if places else [not_applicable("nothing is written here")]

    def _keys(self) -> Iterable[Outcome]:
        try:
            zone = load_network(self._folder / self._settings.network).time_zone
        except DocumentError:
            return [not_applicable("the network file, which says when a day begins, is wrong; see `agreements`")]
        return keys(self._folder / self._settings.privacy.key_file, zone=zone, now=datetime.now(UTC))

    def _needs(self) -> list[Need]:
        needs = []
        if self._kafka and self._no_part(Part.COLLECT) is None:
            spool = self._settings.spool
            needs.append(Need(what="spool", file=self._folder / spool.path, octets=spool.max_bytes))
        if (file := self._database_file()) is not None:
            needs.append(Need(what="case store", file=file, octets=STORE_OCTETS))
        return needs

    def _database_file(self) -> Path | None:
        """Return the file of the store, None: it is none, or no part here uses it."""
        if not self._store.startswith(_SQLITE) or self._no_part(Part.JUDGE, Part.DESK, Part.RUN) is not None:
            return None
        return Path(self._store.removeprefix(_SQLITE))

    def _secrets(self) -> Iterable[Outcome]:
        notify = self._settings.notify
        named: dict[str, object] = {f"secret of {hook.url}": hook.secret for hook in notify.webhook}
        if self._kafka:
            named["password of the broker"] = self._settings.kafka.security.password
        if notify.mail is not None:
            named["password of the mail server"] = notify.mail.password
        found = {what: self._folder / each.file for what, each in named.items() if isinstance(each, SecretFile)}
        return secrets(found) if found else [not_applicable("no secret stands in a file of its own")]


def broker_role(parts: frozenset[Part]) -> Role | None:
    """Return the one role that the login of these parts must be able to work as, None: any."""
    roles = {ROLES[part] for part in parts if part in ROLES}
    return roles.pop() if len(roles) == 1 else None


def _interfaces(source: Source | None) -> list[str]:
    """Return the interfaces that are tapped, be it for the look-ups alone."""
    if source is None:
        return []
    if source.netflow is not None and source.netflow.dns is not None and source.netflow.dns.interface is not None:
        return [source.netflow.dns.interface]
    return [source.interface] if isinstance(source.interface, str) else list(source.interface or ())


def _nothing(why: str) -> Look:
    return lambda: [not_applicable(why)]


def _named(value: object, key: str) -> str | None:
    return None if value else f"the configuration names no `notify.{key}`"


def _lines(seen: Iterable[Seen]) -> Iterator[tuple[str, Outcome]]:
    for one in seen:
        for outcome in one.outcomes:
            yield one.check, outcome


def _show(seen: Iterable[Seen]) -> None:
    console = Console(highlight=False, emoji=False, markup=False)
    for check, outcome in _lines(seen):
        word = _WORDS.get(outcome.state, outcome.state)
        remedy = f"; {outcome.remedy}" if outcome.remedy else ""
        line = Text(f"{word:<8} {check:<14} {outcome.what}{remedy}")
        line.stylize(_STYLES[outcome.state], 0, len(word))
        console.print(line, soft_wrap=True)


def _document(seen: Iterable[Seen]) -> str:
    seen = list(seen)
    lines = [
        {"check": check, "state": each.state, "what": each.what, "remedy": each.remedy, "wrong": each.wrong}
        for check, each in _lines(seen)
    ]
    return json.dumps({"v": 1, "well": not list(problems(seen)), "checks": lines}, indent=1) + "\n"
