"""What an independent body gets from each of many districts: cases without schools or groups, in bands, signed.

The signature is Ed25519 over the octets of `oversight.json`; the body knows the district's public key from elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rules.export.archive import archive, as_json
from rules.export.words import LIMITS, METHOD
from rules.told import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from rules.agreements.model import Agreement
    from rules.export.evidence_pack import Origin
    from rules.store.chain import Head
    from rules.store.rows import CaseRow

STATEMENT: Final = "oversight.json"
SIGNATURE: Final = "oversight.json.sig"
PUBLIC_KEY: Final = "public-key.pem"
README: Final = """This is what one district tells an independent oversight body. To check the signature with OpenSSL 3:

    openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in oversight.json -sigfile oversight.json.sig

Compare the fingerprint (SHA-256 of the raw 32 octets of the key) with the one that the district gave you in another
way: a key that came with the letter proves nothing by itself.
"""


def oversight_statement(
    cases: Iterable[CaseRow],
    *,
    head: Head,
    agreements: Mapping[str, Agreement],
    origin: Origin,
    key: Ed25519PrivateKey,
) -> bytes:
    """Return a zip with the statement on *cases*, its signature, the public key and how to check it."""
    statement = as_json(
        {
            "v": 1,
            "kind": "schoolgate-oversight",
            **asdict(origin),
            "log": asdict(head),
            "cases": [_case(case, agreements=agreements) for case in sorted(cases, key=lambda case: case.id)],
            "method": list(METHOD),
            "limits": list(LIMITS),
        }
    )
    files = {
        STATEMENT: statement,
        SIGNATURE: key.sign(statement),
        PUBLIC_KEY: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "README.txt": README.encode(),
    }
    about = {**asdict(origin), "kind": "schoolgate-oversight", "fingerprint": fingerprint(key.public_key())}
    return archive(files, about=about)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return SHA-256 of the raw key, in hexadecimal."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def _case(case: CaseRow, *, agreements: Mapping[str, Agreement]) -> dict[str, Any]:
    view = told(json.loads(case.body))
    agreement = agreements.get(view["agreement"] or "")
    kept = ("rule", "clause", "subject", "verdict", "severity", "sure", "devices", "first_seen", "last_seen")
    return {
        "id": case.id,
        "vendor": agreement.vendor.legal_name if agreement else None,
        "products": [product.name for product in agreement.products] if agreement else [],
        "agreement_kind": agreement.agreement.kind if agreement else None,
        **{name: view[name] for name in kept},
        "state": case.state,
        "status": case.status,
    }
