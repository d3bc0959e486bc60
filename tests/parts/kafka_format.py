"""What formatting leaves in the folder of a Kafka node, kept for every later node of the same settings.

Formatting takes a JVM and a second and a half of work, and writes a few hundred octets in which only the ids are the
node's own.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.parts.cache import folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.parts.kafka_jars import KafkaJars

IDS: Final = "meta.properties"
_PORT: Final = re.compile(r"(?<=:)\d{2,5}\b")


def new_id() -> str:
    """Return an id that Kafka takes for a new cluster or folder: 16 octets in URL-safe Base64 without padding."""
    # Kafka's own tool takes an id that begins with a hyphen for an option; this first octet keeps a letter in front.
    return base64.urlsafe_b64encode(b"\x40" + uuid.uuid4().bytes[1:]).decode("ascii").rstrip("=")


def place_of(jars: KafkaJars, *, settings: Mapping[str, str], own: Path, scram: Sequence[str]) -> Path:
    """Return where the format of such a node is kept, made or not.

    Args:
        jars: Apache Kafka.
        settings: of the node; ports, and paths beneath its own folder, tell no two formats apart.
        own: the folder of the node.
        scram: credentials to start with.
    """
    told = repr((jars.classpath, sorted(settings.items()), list(scram))).replace(str(own), "")
    mark = hashlib.sha256(_PORT.sub("", told).encode()).hexdigest()[:16]
    return folder() / f"kafka-{jars.version}-format-{mark}"


def lay(kept: Path, *, data: Path, cluster_id: str) -> bool:
    """Make the folder *data* of a node from what is kept, with ids of its own; False where nothing is kept."""
    if not kept.is_dir():
        return False
    shutil.copytree(kept, data)
    ids = (data / IDS).read_text(encoding="ascii")
    for name, value in (("cluster.id", cluster_id), ("directory.id", new_id())):
        ids, found = re.subn(rf"(?m)^{re.escape(name)}=.*$", f"{name}={value}", ids)
        assert found == 1, f"{kept / IDS} says {found} times what `{name}` is"
    (data / IDS).write_text(ids, encoding="ascii")
    return True


def keep(data: Path, *, at: Path) -> None:
    """Keep what formatting has left in *data*, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="format-", dir=at.parent) as name:
        fresh = Path(name) / at.name
        shutil.copytree(data, fresh)
        try:
            fresh.rename(at)
        except OSError:
            # Another process was quicker; its folder is as good.
            if not at.is_dir():
                raise
