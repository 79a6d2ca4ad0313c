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
    groups_per_account: int = 300
    groups_per_user: int = 10
    policies_per_account: int = 1500
    versions_per_policy: int = 5
    policies_attached_per_user: int = 10
    policies_attached_per_group: int = 10
    policy_size: int = 6144
    """Characters of a managed policy, white space not counted."""
    inline_policies_size_per_user: int = 2048
    """Characters of all of a user's inline policies, white space not counted."""
    inline_policies_size_per_group: int = 5120
    resource_policy_size: int = 20480
    """Bytes of a resource's policy, white space included: the 20 KB of S3's bucket policies."""


def refuse_beyond(quota: int, name: str) -> LimitExceeded:
    """The refusal for a quota that is used up, in IAM's words."""
    return LimitExceeded(f"Cannot exceed quota for {name}: {quota}")
