"""Which managed policy a command is about."""

from __future__ import annotations

from iamledger.engine.view import open_view
from iamledger.iam import constraints
from iamledger.read_models import all_projections
from iamledger.store import Connection
from iamledger_projections.managed_policies import get_policy


def named_policy(connection: Connection, account_id: str, text: str) -> str:
    """The ARN of the policy of that name or ARN; of two with the name, the account's own. Raises NoSuchEntity.

    A policy is never renamed, so an ARN is what a decision then looks for.
    """
    if text.startswith("arn:"):
        return text
    constraints.POLICY_NAME.check(text)
    with open_view(connection, account_id, [all_projections()["managed_policies"]]) as view:
        return str(get_policy(view, text)["Arn"])
