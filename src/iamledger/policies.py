"""Which managed policy a command is about."""

from __future__ import annotations

from iamledger.engine.view import open_view
from iamledger.iam import constraints
from iamledger.iam.identifiers import arn
from iamledger.iam.refusals import NoSuchEntity
from iamledger.read_models import all_projections
from iamledger.store import Connection, is_recorded
from iamledger_projections.managed_policies import get_policy


def named_policy(
    connection: Connection, account_id: str, text: str, request_id: str | None = None, *, must_exist: bool = True
) -> str:
    """The ARN of the policy of that name or ARN; of two with the name, the account's own. Raises NoSuchEntity.

    A policy is never renamed, so an ARN is what a decision then looks for. A request that was recorded already is only
    answered again, so any ARN does; unless it `must_exist`, so it does for a caller who is not to learn what there is.
    """
    if text.startswith("arn:"):
        return text
    constraints.POLICY_NAME.check(text)
    with open_view(connection, account_id, [all_projections()["managed_policies"]]) as view:
        try:
            return str(get_policy(view, text)["Arn"])
        except NoSuchEntity:
            if must_exist and (request_id is None or not is_recorded(connection, account_id, request_id)):
                raise
    return arn(account_id, "policy", "/", text)
