"""A real Prometheus on a day of old samples, under the rules that we deploy, and what can be asked of it."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.monitoring.school_day import write_day
from tests.parts.patience import PATIENCE_S
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.parts.prometheus import PrometheusParts

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
RULE_FILES = sorted(RULES.glob("*.rules.yml"))
HOUR_S = 3600


class PromQLError(Exception):
    """Prometheus refused a query."""


class Backfilled:
    """Prometheus with the day in it; `close` ends it."""

    def __init__(self, parts: PrometheusParts, *, folder: Path) -> None:
        (port,) = free_ports(1)
        self._address = f"http://127.0.0.1:{port}"
        self.end = int(time.time()) - 5
        samples, data = folder / "day.om", folder / "data"
        write_day(samples, end=self.end)
        made = subprocess.run(
            [
                parts.promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                "--max-block-duration=336h", str(samples), str(data),
            ],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        config = folder / "prometheus.yml"
        config.write_text(
            json.dumps({"global": {"evaluation_interval": "1s"}, "rule_files": [str(path) for path in RULE_FILES]}),
            encoding="utf-8",
        )
        self._program = Program(
            [
                str(parts.prometheus), f"--config.file={config}", f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=30d", f"--web.listen-address=127.0.0.1:{port}",
            ],
            log=folder / "prometheus.log",
        )  # fmt: skip
        self._wait()

    def close(self) -> None:
        """End it."""
        self._program.kill()

    def now(self, expr: str) -> list[dict[str, Any]]:
        """Return what an instant query gives.

        Raises:
            PromQLError: it cannot be read.
        """
        return self._result("query", query=expr, time=str(time.time()))

    def over_the_last_hour(self, expr: str) -> list[dict[str, Any]]:
        """Return what a range query gives.

        Raises:
            PromQLError: it cannot be read.
        """
        now = time.time()
        return self._result("query_range", query=expr, start=str(now - HOUR_S), end=str(now), step="30")

    def label_values(self, query: str) -> list[str]:
        """Return what Grafana's `label_values(selector, label)` gives."""
        found = re.fullmatch(r"label_values\((.+), *(\w+)\)", query)
        assert found, query
        told: list[str] = self._ask(f"label/{found[2]}/values", **{"match[]": found[1]})
        return told

    def _result(self, path: str, **asked: str) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self._ask(path, **asked)["result"]
        return told

    def _ask(self, path: str, **asked: str) -> Any:
        url = f"{self._address}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 -- loopback
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise PromQLError(f"{asked}: {error.read().decode()}") from None

    def _wait(self) -> None:
        """Return when it serves and every recording rule has given its first samples."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if self.now("schoolgate_nameless_flows:ratio_rate1h") and self.now('ALERTS{alertstate="firing"}'):
                    return
            except (urllib.error.URLError, ConnectionError, PromQLError):
                pass
            assert self._program.alive, self._program.log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, self._program.log.read_text(encoding="utf-8")
            time.sleep(0.1)
