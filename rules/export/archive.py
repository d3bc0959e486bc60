"""A zip of files with a manifest of their hashes; the same files give the same octets."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST: Final = "manifest.json"
# The zip format knows no time before this; ours stands in the manifest.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)


def as_json(content: object) -> bytes:
    """Return *content* as JSON for people and programs."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()


def archive(files: Mapping[str, bytes], *, about: Mapping[str, Any]) -> bytes:
    """Return a zip of *files* (path -> octets) and of a manifest with their SHA-256 and what *about* says."""
    hashes = {name: sha256(files[name]).hexdigest() for name in sorted(files)}
    whole = {MANIFEST: as_json({**about, "v": 1, "sha256": hashes}), **{name: files[name] for name in sorted(files)}}
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in whole.items():
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, content)
    return octets.getvalue()
