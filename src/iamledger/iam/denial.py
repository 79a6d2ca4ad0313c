"""Attempts that were denied: on record, though they changed nothing else."""

from __future__ import annotations

from typing import Annotated

from iamledger.iam.events import USER, Event

# Events. Their names and fields are the storage format: never rename them.


class RequestDenied(Event):
    """A user was denied what it had no permission for. The event's context tells who asked, as that of all events does.

    `outcome` is `explicitDeny` or `implicitDeny`; `decided_by` the kind of policies that decided, such as
    `identity-based policy`, or `iamledger` where no policy could have allowed it; `statements` the Denies that matched: the
    `policy`, with its version if it is a managed one, the number of the `statement` in it, from 1, and its `sid`.
    """

    user_id: Annotated[str, USER]
    action: str
    resource_arn: str
    outcome: str
    decided_by: str
    statements: list[dict[str, str | int | None]]


def beyond_policies(user_id: str, operation: str) -> RequestDenied:
    """The attempt at what no policy can allow: it is for the local operator, or in another account.

    `operation` is what was attempted, in small letters: `create_account` is recorded as `iamledger:CreateAccount`.
    """
    operation = "".join(word.capitalize() for word in operation.split("_"))
    return RequestDenied(
        user_id=user_id,
        action=f"iamledger:{operation}",
        resource_arn="*",
        outcome="implicitDeny",
        decided_by="iamledger",
        statements=[],
    )
