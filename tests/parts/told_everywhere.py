"""Everything that leaves a case store by other ways than the desk: what somebody holds who reads along everywhere."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry, generate_latest

from rules.agreements.load import load_agreements
from rules.case_metrics import CaseMetrics
from rules.export.annual import annual_table
from rules.export.blocklist import as_hosts, as_rpz, blocked_names
from rules.export.evidence_pack import Origin, evidence_pack
from rules.export.oversight import oversight_statement
from rules.findings import RULES
from rules.notify.alerts import alerts
from rules.notify.channel import CaseNotice, DigestNotice
from rules.notify.docket import Docket
from rules.notify.mail import Letters
from rules.notify.templating import Templates
from rules.notify.webhook import payload
from rules.store.chain import Head
from tests.rules.told_cases import PLACE, Hands
from tests.system.product import SAMPLE

if TYPE_CHECKING:
    from rules.store import Store

TEMPLATES = Templates(None)
KEY = Ed25519PrivateKey.generate()
AGREEMENTS = {agreement.id: agreement for agreement in load_agreements(SAMPLE / "agreements")}


def told_everywhere(store: Store) -> dict[str, str]:
    """Return everything that leaves the store by other ways than the desk, by the name of the place."""
    docket = Docket()
    log = store.log()
    for _change in docket.read(log):
        pass
    standings, clock = docket.standings(), Hands()
    letters = Letters(templates=TEMPLATES, place=PLACE, clock=clock)
    notices = [CaseNotice(seq=3, event=event, standing=one) for one in standings for event in ("opened", "changed")]
    head = store.verify()
    assert isinstance(head, Head)
    origin = Origin(district="Riverbend", made_at="2026-10-15T08:00:00Z", software="1")
    rows = store.cases()
    about: dict[str, Any] = {"agreements": AGREEMENTS, "origin": origin}
    packs = {
        "pack": evidence_pack(list(rows.values()), log=log, head=head, **about),
        "annual": annual_table(rows.values(), year=2026, **about),
        "oversight": oversight_statement(rows.values(), head=head, key=KEY, **about),
    }
    names = blocked_names(rows.values(), agreements=AGREEMENTS.values())
    registry = CollectorRegistry()
    CaseMetrics(registry, rules=RULES, store=store, clauses=dict)
    mails = [letters.letter(each, sender="s@x.example", recipient="o@x.example") for each in notices]
    digest = DigestNotice(name="2026-10-19", at=clock(), standings=tuple(standings))
    mails.append(letters.letter(digest, sender="s@x.example", recipient="o@x.example"))
    bodies = [part.get_content() for mail in mails for part in mail.walk() if not part.is_multipart()]
    told = {
        "mail": "\n".join(bodies),
        "webhook": json.dumps([payload(each, place=PLACE) for each in notices]),
        "alertmanager": json.dumps(alerts(standings, now=clock(), place=PLACE, ended_is_news=lambda _spell: True)),
        "metrics": generate_latest(registry).decode(),
        "hosts": as_hosts(names, made_at=origin.made_at) + as_rpz(names, made_at=origin.made_at, serial=1),
        "log": "\n".join(entry.entry for entry in log),
    }
    for name, octets in packs.items():
        with zipfile.ZipFile(io.BytesIO(octets)) as pack:
            files = [each for each in pack.namelist() if not each.endswith(".sig")]
            told |= {f"{name}/{each}": unsealed(pack.read(each).decode("latin-1")) for each in files}
    return told


def unsealed(text: str) -> str:
    """Return *text* without what is random each time: sealed octets, of which the length stays, salts and hashes."""
    text = re.sub(r"AQAA[A-Za-z0-9+/]{40,}=*", lambda found: f"{len(found[0])} sealed characters", text)
    return re.sub(r'"salt": "[0-9a-f]{32}"', '"salt": "a salt"', re.sub(r"\b[0-9a-f]{64}\b", "a hash", text))
