"""Values of condition keys, held against what the keys are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iamledger.policy.lint.global_keys import GLOBAL_KEYS
from iamledger.policy.operands import moment, network, number, truth

_READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "Bool": (truth, "true or false"),
    "Date": (moment, "a time, such as 2026-03-14T09:30:00Z, or seconds since 1970"),
    "IPAddress": (network, "an IP address, such as 203.0.113.7"),
    "Numeric": (number, "a number"),
}


def unlike(key: str, value: str) -> str | None:
    """What the values of a key are, if this cannot be one of them; None if it can, or if nobody knows.

    To IAM such a value is in no range and before no time, so that what depends on it would be told wrongly.
    """
    known = GLOBAL_KEYS.find(key)
    if known is None or known.type not in _READ:
        return None
    read, what = _READ[known.type]
    return what if read(value) is None else None
