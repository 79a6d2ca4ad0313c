"""What of the permissions that somebody has is worth a word of its own: everything, services, actions that tell data."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from iamledger.policy import Caller, CompiledPolicies, PolicySet, Request
from iamledger.policy.comparing import Compared, Difference

DATA = (
    "s3:GetObject",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "kms:Decrypt",
    "rds-data:ExecuteStatement",
    "athena:GetQueryResults",
    "kinesis:GetRecords",
    "sqs:ReceiveMessage",
)
"""Actions that tell the data of an account, of the services that most keep theirs in."""

_OF_ALL = (
    ("iam:CreateUser", "arn:aws:iam::{account}:user/example"),
    ("iam:AttachUserPolicy", "arn:aws:iam::{account}:user/example"),
    ("s3:DeleteObject", "arn:aws:s3:::example/example"),
    ("ec2:TerminateInstances", "arn:aws:ec2:us-east-1:{account}:instance/i-0123456789abcdef0"),
    ("example:Anything", "arn:aws:example:us-east-1:{account}:anything"),
)
"""Requests of services that have little in common, one of which does not exist: who may do all of them may do all."""


def is_administrator(compiled: CompiledPolicies, caller: Caller) -> bool:
    """Whether a caller may do everything, with no condition."""
    return all(
        compiled.decide(Request(caller, action, resource.format(account=caller.account)))
        for action, resource in _OF_ALL
    )


def is_unlimited(policies: PolicySet, found: Compared) -> bool:
    """Whether nothing is taken out of what policies allow, which was found: no Deny, and no exception of a boundary."""
    denied = any(
        statement.effect == "Deny"
        for _, _, some in policies.layers()
        for policy in some
        for statement in policy.document.statements
    )
    return not denied and not any(one.but_for for one in found.differences)


def services_of(found: Sequence[Difference]) -> list[str]:
    """The services of what is allowed, in order."""
    return sorted({action.partition(":")[0] for one in found for action in one.actions})


def data_of(found: Sequence[Difference]) -> list[str]:
    """Those of `DATA` that are allowed."""
    allowed: Collection[str] = {action for one in found for action in one.actions}
    return [action for action in DATA if action in allowed]
