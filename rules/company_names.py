"""Whether two spellings mean one company: agreements and party lists write the same name in different ways. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# fmt: off
LEGAL_FORMS: Final = frozenset(
    {
        "ab", "ag", "bv", "co", "company", "corp", "corporation", "gmbh", "inc", "incorporated", "limited", "llc",
        "llp", "ltd", "nv", "oy", "plc", "pty", "sa", "sarl", "srl",
    }
)
# fmt: on
"""Words at the end of a name that say what kind of company it is, not which one."""

# Names come from agreements and party lists, again and again for the same few companies.
_REMEMBERED_NAMES = 16_384

_WORD: Final = re.compile(r"[^\W_]+")


@lru_cache(maxsize=_REMEMBERED_NAMES)
def company(name: str) -> str:
    """Return *name* as it is compared: words in small letters, without punctuation and legal form.

    `AdCo Holdings, Inc.` and `ADCO HOLDINGS` give the same. A name without any word gives the name itself.
    """
    # Dots inside a legal form are no gaps between words: `S.A.`, `B.V.`
    words = _WORD.findall(name.casefold().replace(".", ""))
    while len(words) > 1 and words[-1] in LEGAL_FORMS:
        words.pop()
    return " ".join(words) or name
