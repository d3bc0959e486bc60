"""An Alertmanager hears that a case was forgotten, also from a notifier that can read nothing of it any more."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rules.notify.alertmanager import Alertmanager as Channel
from rules.notify.docket import Docket
from rules.store import Store
from rules.store.forgetting import forget
from rules.versions import CaseVersion
from tests.parts.alertmanager import Alertmanager
from tests.parts.prometheus import PrometheusParts
from tests.rules.first_store import a_case
from tests.rules.told_cases import PLACE

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"


@pytest.fixture
def receiver(prometheus_parts: PrometheusParts, tmp_path: Path) -> Iterator[Alertmanager]:
    made = Alertmanager(prometheus_parts, config=CONFIG, folder=tmp_path / "alertmanager")
    yield made
    made.kill()


@pytest.mark.parametrize("anew", [False, True], ids=["the notifier goes on", "the notifier begins after it"])
def test_an_alertmanager_hears_that_a_forgotten_case_has_ended(
    tmp_path: Path, receiver: Alertmanager, *, anew: bool
) -> None:
    store, docket = Store(f"sqlite:///{tmp_path / 'cases.db'}"), Docket()
    for name in ("aa01", "aa02"):
        body = json.dumps(a_case(name, subject=f"{name}.example"))
        store.keep([CaseVersion(id=name, version=1, state="open", body=body)], parts=())
    channel = Channel(receiver.address, trust=ssl.create_default_context(), place=PLACE)

    def tell() -> None:
        list(docket.read(store.log(after=docket.seq)))
        now = datetime.now(UTC)
        channel.tell(docket.standings(), now=now, ended_is_news=lambda _spell: True, keep_silence=lambda _case: False)

    tell()
    assert set(receiver.alerts()) == {"aa01", "aa02"}
    forget(store, ["aa01"], by="ada", reason="The vendor left.")
    docket = Docket() if anew else docket
    tell()
    assert "aa01.example" not in receiver.ask("/api/v2/alerts").decode()
    assert set(receiver.alerts()) == {"aa02"}
    store.close()
