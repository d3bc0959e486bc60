"""What `schoolgate demo` starts: the invented school day of `rules/sample`, in a folder that is gone afterwards."""

from __future__ import annotations

import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from collector.documents import DocumentError, Problem
from rules.console import show_report
from rules.desk.address import address_faults
from rules.service import stored_report
from rules.settings import Desk
from schoolgate.configuration import Configuration
from schoolgate.embedded import Embedded
from schoolgate.shell import say


def run_sample(*, listen: str | None, desk: str) -> None:
    """Do what `schoolgate demo` does.

    Args:
        listen: HOST:PORT of the metrics; None: print the cases and end.
        desk: HOST:PORT of the case desk.
    """
    wrong = [
        Problem(path="--desk", line=1, what=fault.what, remedy=fault.remedy)
        for fault in address_faults(desk, users=None, public=None, tls=False)
    ]
    if wrong:
        raise DocumentError(wrong)
    with tempfile.TemporaryDirectory(prefix="schoolgate-demo-") as folder, as_file(files("rules.sample")) as day:
        settings = Configuration.model_validate(
            {
                "schema": "schoolgate/config/1",
                "sensor": "sample",
                "source": {"capture": [str(day / "day.pcap.gz")]},
                "network": str(day / "network.yaml"),
                "agreements": str(day / "agreements"),
                "parties": [str(day / "parties.yaml")],
            }
        )
        say("an invented school day goes through the pipeline; rules/sample/README.md says what happens in it")
        served = None if listen is None else Desk(listen=desk)
        with Embedded(settings, folder=Path(folder), listen=listen, desk=served) as service:
            service.run()
            show_report(stored_report(service.store), Console(), zone=service.network.time_zone)
            if listen is not None and not service.stopped:
                say(service.desk_words)
                say(f"serving http://{listen}/metrics until Ctrl-C")
                service.serve()
