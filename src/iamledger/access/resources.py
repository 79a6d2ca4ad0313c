"""Which resource of an account a request is about, and the policy that governs it, as of a view.

A resource is found by its ARN, or by that of what it lies in: `arn:aws:s3:::reports/q3.csv` lies in the registered
`arn:aws:s3:::reports`. Parents are found by `/`, the longest first. The policy is that of the longest of them that has one:
a child without a policy of its own is governed by its parent's, one with a policy of its own by that alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamledger.access.governing import governing, read_resource_policies
from iamledger.access.grants import How
from iamledger.iam.resource import RESOURCE, ResourceRegistered
from iamledger.iam.resource_arn import governing_arns
from iamledger.policy import Policy
from iamledger.store import Connection, accounts_with

if TYPE_CHECKING:
    from iamledger.engine.view import View

READS = ("resources", "resource_policies")


@dataclass(frozen=True, slots=True)
class Registered:
    """A resource that is registered in an account, and the policy that governs it.

    `policy_arn` is the resource whose policy that is: `arn`, or what it lies in; `granted` is who put it, and when.
    """

    account_id: str
    arn: str
    policy: Policy | None = None
    policy_arn: str | None = None
    granted: How | None = None


def resource_of(view: View, arn: str) -> Registered | None:
    """The registered resource that an ARN is, or lies in, as of a view, which must have the projections `READS`.

    Raises UnreadablePolicy.
    """
    candidates = governing_arns(arn)
    found = view.rows(
        """
        SELECT r.resource_arn AS arn FROM {resources} r WHERE r.resource_arn = ANY(%(arns)s)
         ORDER BY length(r.resource_arn) DESC LIMIT 1
        """,
        arns=candidates,
    )
    if not found:
        return None
    held = governing(read_resource_policies(view, candidates), arn)
    if held is None:
        return Registered(view.account_id, found[0]["arn"])
    return Registered(view.account_id, found[0]["arn"], held.policy, held.arn, held.granted)


def possible_owners(connection: Connection, arn: str) -> list[str]:
    """The accounts in which the resource that an ARN is, or what it lies in, was ever registered."""
    tags = [RESOURCE.of(one) for one in governing_arns(arn)]
    return accounts_with(connection, tags, ResourceRegistered.__name__) if tags else []
