"""One Apache Kafka node (KRaft, broker and controller in one JVM) in a folder of its own.

It is the real thing with the waits of production taken out: it starts in about three seconds, and comes back within
six after it was killed. What it is configured with is written down in `server.properties` beside its log.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tests.parts import kafka_archive, kafka_format
from tests.parts.cache import tail
from tests.parts.program import Program, ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.parts.kafka_jars import KafkaJars

# One collector thread and the quick compiler alone halve the time to start; a broker for tests never lives long enough
# to win that back.
QUICK_START = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
STARTED = "Kafka Server started"
# Three seconds on a quiet machine.
START_LIMIT_S = 240.0
STOP_LIMIT_S = 20.0

# What makes one node on a small machine quick to start, to come back and to fail over.
SMALL = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A killed broker may register again only when its former self has timed out (9 s by default).
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Handing leadership over takes 8 s on a lone node that has nobody to hand it to.
    "controlled.shutdown.enable": "false",
    # An idle node writes down twice a second that it is idle: two fifths of what it costs while tests do other things.
    "metadata.max.idle.interval.ms": "0",
    "log.cleaner.dedupe.buffer.size": "4194304",  # 128 MiB by default: half of this heap
    "log.cleaner.backoff.ms": "500",
    "log.index.size.max.bytes": "1048576",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}


class KafkaNode:
    """One node: `start` formats its folder the first time; `kill` and `restart` keep the data.

    Args:
        jars: Apache Kafka.
        name: Product and version, for the report of the run.
        bootstrap: Where clients find it.
        folder: Gets configuration, data and log; made here.
        settings: Kafka's own names and values, on top of SMALL; `node.id`, listeners and voters among them.
        cluster_id: 22 characters of URL-safe Base64; the same on each node of a cluster.
        scram: Credentials to start with, in the words of `kafka-storage format --add-scram`.
        before: A command to put before java, like `("ip", "netns", "exec", "school")`; it must exec, not fork.
        java_options: Instead of QUICK_START.
    """

    def __init__(
        self,
        jars: KafkaJars,
        *,
        name: str,
        bootstrap: str,
        folder: Path,
        settings: Mapping[str, str],
        cluster_id: str,
        scram: Sequence[str] = (),
        before: Sequence[str] = (),
        java_options: Sequence[str] = QUICK_START,
    ) -> None:
        self.name = name
        self.bootstrap = bootstrap
        self.folder = folder
        self.log = folder / "broker.log"
        self.program: Program | None = None
        self._jars = jars
        self._cluster_id = cluster_id
        self._scram = tuple(scram)
        self._before = tuple(before)
        self._java_options = tuple(java_options)
        self._properties = folder / "server.properties"
        self._data = folder / "data"
        self._settings = {**SMALL, "log.dirs": str(self._data), **settings}

    def launch(self) -> None:
        """Start without waiting: the nodes of a cluster wait for one another.

        Raises:
            ProgramError: it runs already, or the format was refused.
        """
        if self.program is not None:
            raise ProgramError(f"the broker in {self.folder} runs already")
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        if not self._data.exists():
            self._properties.write_text(_properties(self._settings), encoding="utf-8")
            self._format()
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        command = self._java("kafka.Kafka", str(self._properties))
        self.program = Program([*self._before, *command], log=self.log)

    def wait(self) -> None:
        """Return when it serves.

        Raises:
            ProgramError: it ended, or did not serve in time; then it is killed.
        """
        deadline = time.monotonic() + START_LIMIT_S
        while self.program is not None:
            with self.log.open("rb") as log:
                log.seek(self._log_from)
                if STARTED.encode() in log.read():
                    return
            if not self.program.alive or time.monotonic() > deadline:
                self.kill()
                raise ProgramError(f"Apache Kafka did not start: {tail(self.log)} (see {self.log})")
            time.sleep(0.02)
        raise ProgramError(f"the broker in {self.folder} was never launched")

    def start(self) -> str:
        """Start it and return the bootstrap address when it serves. Raises what `launch` and `wait` raise."""
        self.launch()
        self.wait()
        return self.bootstrap

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL). Its data stay."""
        if self.program is not None:
            self.program.kill()
            self.program = None

    def stop(self) -> None:
        """End it in order (SIGTERM). Its data stay."""
        if self.program is not None:
            self.program.stop(limit_s=STOP_LIMIT_S)
            self.program = None

    def restart(self) -> None:
        """Start again on the same data and ports; a node that still runs is killed first."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stall it (SIGSTOP): connections stay open and nothing answers."""
        self._running().pause()

    def resume(self) -> None:
        """Let a stalled node go on."""
        self._running().resume()

    def close(self) -> None:
        """End it and throw its data away; configuration and log stay for whoever looks for the fault."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def tool(self, main: str, *arguments: str) -> str:
        """Run one of Kafka's own command-line tools and return what it prints.

        Raises:
            ProgramError: it failed; the message is what it printed.
        """
        done = subprocess.run(
            self._java(main, *arguments), capture_output=True, text=True, timeout=START_LIMIT_S, check=False
        )
        if done.returncode != 0:
            raise ProgramError(f"{main} failed: {done.stdout.strip()} {done.stderr.strip()}")
        return done.stdout

    def _running(self) -> Program:
        if self.program is None:
            raise ProgramError(f"the broker in {self.folder} does not run")
        return self.program

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            self._jars.java,
            *self._java_options,
            *kafka_archive.options(self._jars),
            # Kafka unpacks its compression libraries there; a killed JVM leaves them behind.
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-cp",
            self._jars.classpath,
            main,
            *arguments,
        ]

    def _format(self) -> None:
        kept = kafka_format.place_of(self._jars, settings=self._settings, own=self.folder, scram=self._scram)
        if kafka_format.lay(kept, data=self._data, cluster_id=self._cluster_id):
            return
        words = ["format", "--cluster-id", self._cluster_id, "--config", str(self._properties)]
        for credentials in self._scram:
            words += ["--add-scram", credentials]
        try:
            self.tool("kafka.tools.StorageTool", *words)
        except ProgramError:
            shutil.rmtree(self._data, ignore_errors=True)
            raise
        kafka_format.keep(self._data, at=kept)


def _properties(settings: Mapping[str, str]) -> str:
    """Return *settings* as a Java properties file (a backslash there begins an escape)."""
    lines: Iterable[str] = (f"{name}={value}".replace("\\", "\\\\") for name, value in sorted(settings.items()))
    return "\n".join(lines) + "\n"
