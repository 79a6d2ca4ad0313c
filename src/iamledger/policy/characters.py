"""The characters of a policy document: which are allowed, how many, and how they are counted.

IAM's service model (API version 2010-05-08, policyDocumentType) allows tab, LF, CR and U+0020 to U+00FF, from 1 to 131072
of them. Other characters can be written in a string as JSON escapes, such as `\\u20ac`.
"""

from __future__ import annotations

import re
import unicodedata

from iamledger.policy.problems import ROOT, Problems

LONGEST = 131_072
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\xff]")
_QUOTES = "\u2018\u2019\u201c\u201d\u201e\u201f"


def check_characters(text: str, problems: Problems) -> bool:
    """Note a wrong length, and each forbidden character once, where it first stands. False if reading on is of no use."""
    if not text or len(text) > LONGEST:
        problems.add(
            min(len(text), LONGEST), ROOT, f"a policy document has 1 to {LONGEST} characters, this one has {len(text)}"
        )
        return False
    seen: set[str] = set()
    for found in _FORBIDDEN.finditer(text):
        character = found.group()
        if character not in seen:
            seen.add(character)
            problems.add(found.start(), ROOT, f"the character {_named(character)} is not allowed", _way_out(character))
    return True


def size(text: str) -> int:
    """The number of characters that count against IAM's quotas: those that are no white space, wherever they stand.

    "IAM does not count white space when calculating the size of a policy against these quotas", says the page "IAM and STS
    quotas" of the IAM User Guide. White space is what it is in JSON: space, tab, CR and LF.
    """
    return len(text) - sum(text.count(space) for space in " \t\r\n")


def _named(character: str) -> str:
    return " ".join(filter(None, [f"U+{ord(character):04X}", unicodedata.name(character, "")]))


def _way_out(character: str) -> str | None:
    if character in _QUOTES:
        return 'use the straight quote "'
    if character == "\ufeff":
        return "save the file without a byte order mark"
    if ord(character) < 0x20 or 0xD800 <= ord(character) <= 0xDFFF:
        return "remove it"
    escaped = character.encode("utf-16-be").hex()
    return "in a string write " + "".join(f"\\u{escaped[i : i + 4]}" for i in range(0, len(escaped), 4))
