"""Apache Kafka for the tests: its jars, by the ordinary Maven client, into the user's cache folder.

`python -m tests.parts.kafka_jars` sets it up and says where it is; `--install` also installs Java and Maven where that
can be done (Debian, as root). What Maven brings must be exactly what `kafka_jars.sha256` lists; anything else is
refused. A new version is pinned by changing VERSION and writing that file anew (`sha256sum *.jar`).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.parts.cache import PartDamagedError, PartMissingError, folder, locked, run, say

VERSION = "4.1.2"
PART = f"kafka-{VERSION}"
# Kafka 4 brokers need Java 17 (Apache Kafka 4.0 upgrade notes, KIP-1013).
JAVA_MINIMUM = 17
DEBIAN_PACKAGES = ("default-jre-headless", "maven")
# The first fetch takes half a minute on a good line. A Maven that hangs must not hold a test run for longer than this.
MAVEN_LIMIT_S = 240.0
INSTALL_LIMIT_S = 600.0
PINS = Path(__file__).with_name("kafka_jars.sha256")
# slf4j-simple prints what the broker logs; without a binding all is silence when it fails.
POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>example.schoolgate</groupId><artifactId>test-broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaJars:
    """Apache Kafka on this disk, checked against the pinned hashes."""

    version: str
    """Of Apache Kafka, like "4.1.2"."""

    java: str
    """The java program, 17 or newer."""

    jars: tuple[Path, ...]
    """Every pinned jar and no other file of that folder."""

    @property
    def classpath(self) -> str:
        """What java gets as `-cp`."""
        return os.pathsep.join(str(jar) for jar in self.jars)


def pinned() -> dict[str, str]:
    """Return jar file name -> SHA-256 in hexadecimal, as committed."""
    rows = (line.split() for line in PINS.read_text(encoding="ascii").splitlines())
    return {name: digest for digest, name in rows}


def verify(place: Path, *, pins: dict[str, str]) -> tuple[Path, ...]:
    """Return the pinned jars in *place*.

    Raises:
        PartDamagedError: one is absent or is not what was pinned.
    """
    for name, digest in pins.items():
        jar = place / name
        if not jar.is_file():
            raise PartDamagedError(f"{PART}: {jar} is missing; remove {place} and run `make parts`")
        found = hashlib.sha256(jar.read_bytes()).hexdigest()
        if found != digest:
            raise PartDamagedError(
                f"{PART}: {jar} is refused: SHA-256 {found}, pinned {digest}; remove {place} and run `make parts`"
            )
    return tuple(place / name for name in pins)


def find_java() -> str:
    """Return a java that can run the broker.

    Raises:
        PartMissingError: there is none, or it is too old.
    """
    java = shutil.which("java")
    if java is None:
        raise PartMissingError(f"{PART}: no `java` on this machine; {_remedy()}")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < JAVA_MINIMUM:
        raise PartMissingError(f"{PART}: {java} is older than Java {JAVA_MINIMUM}; {_remedy()}")
    return java


def set_up() -> KafkaJars:
    """Return Apache Kafka from the cache folder; fetch it first if need be.

    Raises:
        PartMissingError: Java or Maven is missing, or Maven failed or hung.
        PartDamagedError: a jar is not what was pinned.
    """
    java = find_java()
    place = folder() / PART
    pins = pinned()
    if not place.is_dir():
        with locked(PART):
            if not place.is_dir():
                _fetch(place, pins=pins)
    return KafkaJars(version=VERSION, java=java, jars=verify(place, pins=pins))


def install() -> None:
    """Install Java and Maven by apt-get where they are missing.

    Raises:
        PartMissingError: this is not Debian, not root, or apt-get failed.
    """
    if shutil.which("java") and shutil.which("mvn"):
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise PartMissingError(f"{PART}: cannot install Java and Maven here; {_remedy()}")
    say(f"installing {' '.join(DEBIAN_PACKAGES)}")
    log = folder() / "apt-get.log"
    run(["apt-get", "-q", "update"], part=PART, limit_s=INSTALL_LIMIT_S, log=log)
    command = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *DEBIAN_PACKAGES]
    run(["env", "DEBIAN_FRONTEND=noninteractive", *command], part=PART, limit_s=INSTALL_LIMIT_S, log=log)


def _fetch(place: Path, *, pins: dict[str, str]) -> None:
    """Fetch into a folder of its own, look at every jar, and only then give it its name: no half-made part is seen."""
    if shutil.which("mvn") is None:
        raise PartMissingError(f"{PART}: no `mvn` (Apache Maven) on this machine; {_remedy()}")
    fresh = place.with_name(f"{PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        pom = fresh / "pom.xml"
        pom.write_text(POM, encoding="utf-8")
        say(f"fetching Apache Kafka {VERSION} by Maven into {place} (43 MB, once)")
        command = ["mvn", "-B", "-q", "--strict-checksums", "-f", str(pom), COPY]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
        run(command, part=PART, limit_s=MAVEN_LIMIT_S, log=place.with_name(f"{PART}.maven.log"))
        verify(fresh, pins=pins)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _remedy() -> str:
    packages = " ".join(DEBIAN_PACKAGES)
    return f"on Debian: apt-get install {packages} (as root: `python -m tests.parts.kafka_jars --install` does it)"


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    parser = argparse.ArgumentParser(prog="tests.parts.kafka_jars", description="Apache Kafka for the tests")
    parser.add_argument("--install", action="store_true", help="install Java and Maven too (Debian, root)")
    arguments = parser.parse_args()
    try:
        if arguments.install:
            install()
        kafka = set_up()
    except (PartMissingError, PartDamagedError) as fault:
        say(str(fault))
        return 3
    say(f"Apache Kafka {kafka.version}: {len(kafka.jars)} jars in {kafka.jars[0].parent}, every SHA-256 as pinned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
