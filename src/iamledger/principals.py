"""Users and the root as the policy engine knows callers: with the names that policies may have for them, and their context.

The context keys are those that IAM puts into every request of such a principal (the guide's list of global condition keys).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from iamledger.policy import Caller

REGION = "us-east-1"
"""IAM is a global service: its requests are made in this region."""


def user_as_caller(arn: str, user_id: str, user_name: str, tags: Mapping[str, str]) -> Caller:
    """A user as a caller, with the keys that IAM puts into the context of a user's every request."""
    context = {
        "aws:username": user_name,
        "aws:userid": user_id,
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": arn.split(":")[4],
        "aws:PrincipalType": "User",
        "aws:PrincipalIsAWSService": "false",
        **{f"aws:PrincipalTag/{key}": value for key, value in tags.items()},
    }
    return Caller.of(arn, unique_id=user_id, context=context)


def root_as_caller(account_id: str) -> Caller:
    """The account's root, whose id is the account's."""
    arn = f"arn:aws:iam::{account_id}:root"
    context = {
        "aws:userid": account_id,
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": account_id,
        "aws:PrincipalType": "Account",
        "aws:PrincipalIsAWSService": "false",
    }
    return Caller.of(arn, context=context)


def known_of_requests(time: datetime, resource_account: str) -> dict[str, str]:
    """The keys that every request has, whoever makes it."""
    utc = time.astimezone(UTC)
    return {
        "aws:CurrentTime": utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
        "aws:EpochTime": str(int(utc.timestamp())),
        "aws:ResourceAccount": resource_account,
    }


def facts_of_user(tags: Mapping[str, str], boundary_arn: str | None) -> dict[str, str]:
    """The keys of a request about a user: its tags, and the ARN of its permissions boundary, if it has one."""
    facts = {f"{prefix}:ResourceTag/{key}": value for key, value in tags.items() for prefix in ("aws", "iam")}
    return facts if boundary_arn is None else {**facts, "iam:PermissionsBoundary": boundary_arn}
