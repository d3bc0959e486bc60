"""Purge certificates: which cases were forgotten, when, by whom and why, where they lay, and that it was tried.

It holds nothing of what was forgotten: ids, and hashes of keys that are no more.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rules.export import pages
from rules.export.archive import archive, as_json
from rules.export.oversight import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from rules.export.evidence_pack import Origin
    from rules.store.elsewhere import Elsewhere
    from rules.store.forgetting import Purge

CERTIFICATE: Final = "purge.json"
SIGNATURE: Final = "purge.json.sig"
PUBLIC_KEY: Final = "public-key.pem"
PLACES: Final = (
    (
        "Store: table findings",
        "the rows were deleted",
    ),
    (
        "Store: table cases",
        "body, evidence and what was known at its ending were deleted; id, version and time are left",
    ),
    (
        "Store: table case_log",
        "entries stay, sealed: the chain can be checked, and nobody can read them",
    ),
    (
        "Store: reports (tables report_parts and engine_state)",
        "waived cases and rows of product and party stay, sealed, until the next report",
    ),
    (
        "Store: table outbox",
        "what waited to be told of the case was deleted",
    ),
    (
        "Kafka: schoolgate.findings, schoolgate.engine-state, schoolgate.case-state, schoolgate.cases",
        "records stay until the topic lets go of them, sealed with the same keys",
    ),
    (
        "Backups made with `schoolgate store backup`",
        "they hold the same sealed octets and no key",
    ),
)
"""Where a case lay, and what became of it there."""
ENDINGS: Final = {
    (True, False): "Nothing of it can be read any more, in any place below.",
    (True, True): "Nothing of it can be read any more where it was tried; not every place was: see below.",
    (False, False): "NOT COMPLETE: see what was tried.",
    (False, True): "NOT COMPLETE: see what was tried.",
}
"""Whether nothing could be read, and whether a place was not tried -> how the page begins."""
BEYOND: Final = ("Place", "Sealed pieces beside their names", "Tried", "Read all the same", "How, or why not")
LIMITS: Final = (
    (
        "The id of a case is a hash of agreement, rule, clause and subject: who guesses all four can tell that there "
        "was a case, and nothing of what was seen."
    ),
    (
        "Flow events (72 hours) and counts of contacts, which no case is needed for, are no part of a case and name "
        "hosts. They make no case again of what was seen up to the moment of forgetting."
    ),
    ("What was handed out before (evidence packs, letters, mails, webhooks) is with those who were given it."),
    (
        "A copy of the keys opens copies of what is sealed: a file that `store backup --keys` wrote before, a snapshot "
        "of the disk, an archive of a PostgreSQL server's write-ahead log. Replace the file of keys now, and let the "
        "others run out."
    ),
)
CHECK: Final = (
    (
        "The case log of the store ends, or ended, with the hash given here: `schoolgate cases verify --anchor` takes "
        "the line `schoolgate-case-log/1 ENTRIES HASH`. The row `entry` of the log tells of the same, in the clear."
    ),
    ("A key that turns up somewhere can be recognised: SHA-256 of its 32 octets stands here."),
)
README: Final = """To check the signature with OpenSSL 3:

    openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in purge.json -sigfile purge.json.sig

Compare the fingerprint (SHA-256 of the raw 32 octets of the key) with the one that the district gave you in another
way: a key that came with the certificate proves nothing by itself.
"""


def purge_certificate(
    purge: Purge, *, origin: Origin, elsewhere: Sequence[Elsewhere] = (), key: Ed25519PrivateKey | None = None
) -> bytes:
    """Return a zip with the certificate as JSON and as a page, signed where there is a key.

    Args:
        purge: what was done.
        origin: where it was done.
        elsewhere: what trying outside of the store came to.
        key: signs; None: the hashes in the manifest are all there is.
    """
    told = {
        "v": 1,
        "kind": "schoolgate-purge",
        **asdict(origin),
        "at": purge.at,
        "by": purge.by,
        "reason": purge.reason,
        "complete": purge.is_complete and not any(place.opened for place in elsewhere),
        "cases": [_case(asdict(case)) for case in purge.cases],
        "log": asdict(purge.head),
        "tried": asdict(purge.tried),
        "elsewhere": [asdict(place) for place in elsewhere],
        "places": [{"place": place, "what": what} for place, what in PLACES],
        "limits": list(LIMITS),
        "check": list(CHECK),
    }
    octets = as_json(told)
    files = {CERTIFICATE: octets, "purge.html": _page(told)}
    about: dict[str, Any] = {**asdict(origin), "kind": "schoolgate-purge"}
    if key is not None:
        files |= {
            SIGNATURE: key.sign(octets),
            PUBLIC_KEY: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "README.txt": README.encode(),
        }
        about["fingerprint"] = fingerprint(key.public_key())
    return archive(files, about=about)


def _case(case: Mapping[str, Any]) -> dict[str, Any]:
    keys = [{"of": owner, "number": number, "sha256": digest} for owner, number, digest in case["keys"]]
    return {**case, "keys": keys}


def _page(told: Mapping[str, Any]) -> bytes:
    tried, log = told["tried"], told["log"]
    unseen = "not looked for: the database is a server's, or the key is not known any more"
    found = {None: unseen, True: "yes", False: "no"}
    rows = [
        ("When", told["at"]),
        ("By", told["by"]),
        ("Why", told["reason"]),
        ("Where", told["district"]),
        ("Program", f"Schoolgate {told['software']}"),
        ("End of the case log", f"row {log['entries']}, hash {log['hash']}"),
    ]
    checks = [
        ("Sealed pieces that were tried", tried["samples"]),
        ("Keys that are left, each tried on every piece", tried["keys"]),
        ("Pieces that could be read all the same", tried["opened"]),
        ("Unused pages of the database written anew", "yes" if tried["scrubbed"] else "no: others held them"),
        ("A destroyed key found in the database's files", found[tried["key_octets_found"]]),
    ]
    heads = ["Case", "Keys destroyed (SHA-256)", "Findings deleted", "Log entries sealed for good", "Log row"]
    lines = [_line(case) for case in told["cases"]]
    ending = ENDINGS[told["complete"], any(place["pieces"] is None for place in told["elsewhere"])]
    beyond = [
        (place["place"], place["pieces"], place["tried"], place["opened"], place["what"]) for place in told["elsewhere"]
    ]
    places = [(each["place"], each["what"]) for each in told["places"]]
    parts = [
        pages.paragraphs([ending]),
        pages.facts(rows, caption="The purge"),
        pages.section("Cases", pages.table(heads, lines, caption="What was forgotten")),
        pages.section("Places", pages.facts(places, caption="Where it lay, and what became of it there")),
        pages.section("Tried", pages.facts(checks, caption="Whether anything can be read still")),
        pages.section("Elsewhere", pages.table(BEYOND, beyond, caption="What was tried outside of the store")),
        pages.section("Limits", pages.paragraphs(told["limits"])),
        pages.section("To check", pages.paragraphs(told["check"])),
    ]
    return pages.page("Purge certificate", parts)


def _line(case: Mapping[str, Any]) -> Sequence[object]:
    keys = ", ".join(key["sha256"] or "not known any more" for key in case["keys"]) or "none was left"
    dropped = "not known any more" if case["findings"] is None else case["findings"]
    return (case["case_id"], keys, dropped, case["entries"], case["entry"])
