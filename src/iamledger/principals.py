"""Users and the root as the policy engine knows callers: with the names that policies may have for them, and their context.

The context keys are those that IAM puts into every request of such a principal (the guide's list of global condition keys).
"""

from __future__ import annotations

from collections.abc import Mapping

from iamledger.policy import Caller


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
