"""Patterns of actions: `vendor:Name`, with wildcards in the name, or `*` for every action.

IAM takes no wildcard in a vendor. `*:*` is accepted as another way to write `*`, which the guide neither shows nor forbids.
Whether a service or an action exists is not checked: IAM does not either. Source: "IAM JSON policy elements: Action".
"""

from __future__ import annotations

import re
from dataclasses import replace

from iamledger.policy.patterns import Pattern, read_pattern
from iamledger.policy.problems import Malformed
from iamledger.policy.words import quote

_VENDOR = re.compile(r"[A-Za-z0-9-]+")
_NAME = re.compile(r"[A-Za-z0-9*?]+")


def read_action(text: str, only_vendor: str | None = None) -> Pattern:
    """A pattern of Action or NotAction, in lower case except for its text. Raises Malformed.

    `only_vendor` is the vendor of all the actions that the document may name.
    """
    vendor, colon, name = text.partition(":")
    if text not in ("*", "*:*"):
        if not colon:
            raise Malformed(f"{quote(text)} is no action", "write vendor:name, such as s3:GetObject, or *")
        if not _VENDOR.fullmatch(vendor):
            raise Malformed(f"{quote(vendor)} in {quote(text)} is no vendor", _about_vendor(vendor))
        if not _NAME.fullmatch(name):
            raise Malformed(
                f"{quote(name)} in {quote(text)} is no name of an action", "it has letters, digits, * and ? only"
            )
    if only_vendor is not None and vendor.lower() != only_vendor:
        raise Malformed(f"{quote(text)} is no action of {only_vendor}, which alone is possible here")
    return replace(read_pattern(text.lower(), variables=False), text=text)


def _about_vendor(vendor: str) -> str:
    if "*" in vendor or "?" in vendor:
        return "spell the vendor out, or write * alone for every action"
    return "it has letters, digits and hyphens only"
