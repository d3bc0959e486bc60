"""What every export says of how cases come about and of what a network cannot show."""

from __future__ import annotations

from typing import Final

METHOD: Final = (
    (
        "A sensor at the school network notes which device of which group connects to which server, when and how "
        "much, and by which name the server is asked for. It keeps no content and no address of a device; "
        "devices have a pseudonym that changes every day."
    ),
    (
        "Each connection is compared with the data agreements of the district, written as files. What "
        "contradicts an agreement is counted by day and device; a case is opened for one promise of one "
        "agreement when the counts reach what the rule asks for."
    ),
    (
        "A third party is named in a case only where its contacts follow on the use of the product on several "
        "devices and days and no other site explains them as well; `confidence` says how sure that is (1.0: the "
        "rule needs no such step)."
    ),
    (
        "Counts are pairs of device and day, told in bands; counts below 10 are not told. Times are told in "
        "steps of 15 minutes, UTC."
    ),
)
LIMITS: Final = (
    ("A network shows who was contacted, not what was sent, nor what servers share among each other."),
    ("A case is a reason to ask, not proof of a breach; the vendor has not been heard."),
    ("What has no visible name, what does not pass the sensor, and what is used at home is not seen."),
)
CHAIN: Final = (
    (
        "Every row of the case log has a digest: SHA-256 over the text `schoolgate/case-log/1/row`, a line feed, "
        "and the columns seq, case_id, version, kind, at, entry in this order, each as its length in octets "
        "(decimal), a colon and its octets (UTF-8; numbers in decimal). Its hash is SHA-256 over the text "
        "`schoolgate/case-log/1/link`, a line feed, the hash of the row before (64 zeros before the first), a "
        "line feed, the digest, and a line feed; digests and hashes in hexadecimal. `chain.json` holds the "
        "digests of all rows in their order and the last hash."
    ),
    (
        "The column entry is sealed with a key of the case alone, so that a case can be forgotten. It is JSON with two "
        "fields: `sealed`, and `sha256`: SHA-256 over the text `schoolgate/case-log/1/entry`, a line feed, 16 octets "
        "of salt, and the entry. Of each row given here `opened` is the entry and `salt` the salt, in hexadecimal."
    ),
    (
        "To check: compute the digest of each row given here and find it at place seq of the list; compute the "
        "hashes over the whole list; the last one must be the hash of the end. A district that made the whole "
        "log anew would show another hash of the end than one it gave away before."
    ),
)
