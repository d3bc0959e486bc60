"""A purge certificate in its file: written before anything is destroyed, and completed when all was tried.

What lies there at any moment, after a full disk, a Ctrl-C or a power cut, names the cases and the hashes of their keys.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from rules.errors import StoreError
from rules.export.purge import purge_certificate
from rules.store.elsewhere import Elsewhere
from rules.store.forgetting import destroy, destroyed_before
from schoolgate.exports import write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from rules.export.evidence_pack import Origin
    from rules.store import Store
    from rules.store.forgetting import Gone, Purge

BEGUN: Final = (
    "this was written before the keys were destroyed, and nobody completed it; `schoolgate cases forget` of the same "
    "cases writes the certificate again"
)


class PurgeFile:
    """The file of one certificate.

    Args:
        out: where it goes; nothing is there.
        origin: where it is made.
        key: signs; None: it is not signed.
    """

    def __init__(self, out: Path, *, origin: Origin, key: Ed25519PrivateKey | None = None) -> None:
        self.out = out
        self._origin = origin
        self._key = key
        self._began = False

    def begin(self, purge: Purge) -> None:
        """Write down what is about to be destroyed.

        Raises:
            OSError: the place takes no certificate, and nothing of it is there.
        """
        write_through(self.out, self._octets(purge, elsewhere=[Elsewhere.untried("Everywhere", why=BEGUN)]))
        self._began = True

    def destroy(self, store: Store, ids: Sequence[str], *, by: str, reason: str) -> Gone:
        """Destroy the keys of these cases, once it is written down.

        Raises:
            OSError: the place takes no certificate; nothing was destroyed, and nothing of it is there.
            StoreError: the store cannot be written.
        """
        try:
            return destroy(store, ids, by=by, reason=reason, before=self.begin)
        except StoreError:
            # A server that goes away at the last word has perhaps done it: then the certificate stays.
            if self._began and not destroyed_before(store, ids):
                self.out.unlink(missing_ok=True)
            raise

    def complete(self, purge: Purge, *, elsewhere: Sequence[Elsewhere]) -> None:
        """Put the whole certificate in its place, at one stroke.

        Raises:
            OSError: it cannot be written; what `begin` wrote is there.
        """
        part = self.out.with_name(f"{self.out.name}.part")
        part.unlink(missing_ok=True)
        write_through(part, self._octets(purge, elsewhere=elsewhere))
        part.replace(self.out)
        _settle(self.out.parent)

    def _octets(self, purge: Purge, *, elsewhere: Sequence[Elsewhere]) -> bytes:
        return purge_certificate(purge, origin=self._origin, elsewhere=elsewhere, key=self._key)


def write_through(out: Path, octets: bytes) -> None:
    """Write a new file that its owner alone can read down to the disk, or leave none.

    Raises:
        FileExistsError: it is there already, and stays.
        OSError: it cannot be written.
    """
    try:
        write(out, octets)
        # Some file systems say only now that the disk is full.
        with out.open("rb") as file:
            os.fsync(file.fileno())
        _settle(out.parent)
    except FileExistsError:
        raise
    except OSError:
        out.unlink(missing_ok=True)
        raise


def _settle(folder: Path) -> None:
    """Let the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
