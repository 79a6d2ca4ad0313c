"""Whether a document has more characters than IAM takes for what it is, white space not counted.

Trust policies have at most 2,048 characters, unless AWS raises an account's quota ("IAM and STS quotas" of the IAM User
Guide); service and resource control policies 5,120 ("Quotas for AWS Organizations"). Those of resources differ by service.
"""

from __future__ import annotations

from typing import Protocol

from iamledger.policy.characters import size
from iamledger.policy.json_places import Value
from iamledger.policy.kinds import Kind
from iamledger.policy.lint.findings import Findings
from iamledger.policy.words import listed

_LARGEST = {Kind.TRUST: 2_048, Kind.SERVICE_CONTROL: 5_120, Kind.RESOURCE_CONTROL: 5_120}


class Quotas(Protocol):
    """Characters of identity policies, white space not counted, as the account's quotas have them."""

    @property
    def policy_size(self) -> int:
        """Of a managed policy."""

    @property
    def inline_policies_size_per_user(self) -> int:
        """Of all inline policies of a user."""

    @property
    def inline_policies_size_per_group(self) -> int:
        """Of all inline policies of a group."""


def check_size(text: str, root: Value, kind: Kind, quotas: Quotas | None, findings: Findings) -> None:
    """A document that is too large for its kind, or for some uses."""
    counted = size(text)
    largest = _LARGEST.get(kind)
    if kind is Kind.IDENTITY and quotas is not None:
        largest = quotas.policy_size
    if largest is not None and counted > largest:
        message = f"{counted} characters without white space are more than the {largest} of {_what(kind)}"
        findings.add("too-large", root, message, "divide it, or write fewer and wider patterns")
    elif kind is Kind.IDENTITY and quotas is not None:
        inline = {"user": quotas.inline_policies_size_per_user, "group": quotas.inline_policies_size_per_group}
        exceeded = [f"the {most} of a {whose}" for whose, most in inline.items() if counted > most]
        if exceeded:
            message = (
                f"{counted} characters without white space are too many for inline policies: {listed(exceeded, 'and')}"
            )
            findings.add("large-for-inline", root, message, "make it a managed policy")


def _what(kind: Kind) -> str:
    return "a managed policy" if kind is Kind.IDENTITY else str(kind)
