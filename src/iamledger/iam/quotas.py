"""IAM's quotas (the default values that its documentation gives), as settings."""

from __future__ import annotations

from dataclasses import dataclass

from iamledger.iam.refusals import LimitExceeded


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many of what an account, or a thing in it, may have."""

    users_per_account: int = 5000
    access_keys_per_user: int = 2
    tags_per_resource: int = 50


def refuse_beyond(quota: int, name: str) -> LimitExceeded:
    """The refusal for a quota that is used up, in IAM's words."""
    return LimitExceeded(f"Cannot exceed quota for {name}: {quota}")
