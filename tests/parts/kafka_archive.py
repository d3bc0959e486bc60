"""What one start of Apache Kafka leaves to every later one: its classes as the JVM keeps them in memory.

A JVM that reads its classes from such an archive (JEP 350) starts the broker with half the work, and a run of the tests
starts some fifty. The archive belongs to one Java and to these jars; a JVM that is given another's passes it over and
starts as ever.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.parts.cache import folder, locked, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.parts.kafka_jars import KafkaJars

VERSION_LIMIT_S = 60


@cache
def place_of(jars: KafkaJars) -> Path:
    """Return where the archive of these jars and of their Java lies, made or not."""
    told = subprocess.run([jars.java, "-version"], capture_output=True, timeout=VERSION_LIMIT_S, check=False).stderr
    mark = hashlib.sha256(told + jars.classpath.encode()).hexdigest()[:12]
    return folder() / f"kafka-{jars.version}-{mark}.jsa"


def options(jars: KafkaJars) -> list[str]:
    """Return what java is given to start from the archive; nothing where there is none."""
    place = place_of(jars)
    return [f"-XX:SharedArchiveFile={place}"] if place.is_file() and place.stat().st_size else []


def make(jars: KafkaJars, *, run_once: Callable[[Path, str], None]) -> None:
    """Make the archive if need be.

    Args:
        jars: Apache Kafka.
        run_once: starts a broker in the given folder with one more option of java, and ends it in order.
    """
    place = place_of(jars)
    if place.exists():
        return
    with locked(place.stem):
        if place.exists():
            return
        say("a first start of Apache Kafka writes down its classes, so that later ones are quick (10 s, once)")
        fresh = place.with_suffix(".partial")
        fresh.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="schoolgate-archive-") as where:
            run_once(Path(where), f"-XX:ArchiveClassesAtExit={fresh}")
        # A Java that writes none serves as well, only slower; the empty file says that it was tried.
        fresh.touch()
        fresh.rename(place)
