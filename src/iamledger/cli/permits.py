"""What a caller must be permitted for a command that reads. For one that writes, the decisions that it runs tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from iamledger.authorization import Demand
    from iamledger.iam.refusals import AccessDenied


@dataclass(frozen=True, slots=True)
class Permit:
    """Actions on what one of the command's arguments names: a user, group, policy, key, principal, or a resource by ARN.

    Without an argument, or if it is left out, they are on all of that kind. With `optional`, they are not needed then.
    """

    actions: tuple[str, ...]
    kind: str
    argument: str | None = None
    optional: bool = False


def permit(kind: str, argument: str | None, *actions: str, optional: bool = False) -> Permit:
    """See `Permit`. An action without a service is one of IAM."""
    named = tuple(action if ":" in action else f"iam:{action}" for action in actions)
    return Permit(named, kind, argument, optional)


OPERATOR = Permit((), "operator")
"""The command is for the local operator alone."""
LOCAL = Permit((), "local")
"""The command looks at no ledger, so there is nothing to permit."""
AUDIT = permit("account", None, "iamledger:ReadAuditLog")
REPORT = permit("account", None, "iamledger:GetAccessReport")
QUESTION = permit("account", None, "iamledger:GetAuthorization")


C = TypeVar("C", bound=Callable[..., None])


def operator_only(command: C) -> C:
    """Marks a command without options for a caller, which is for the local operator: who has credentials is refused."""

    @wraps(command)
    def for_operator(*arguments: Any, **options: Any) -> None:
        from iamledger.settings import settings

        if settings().access_key_id is not None:
            raise not_the_operator()
        command(*arguments, **options)

    for_operator.permits = (OPERATOR,)  # type: ignore[attr-defined]
    return cast("C", for_operator)


def not_the_operator() -> AccessDenied:
    """The refusal of a command that is for the local operator."""
    from iamledger.iam.refusals import AccessDenied

    return AccessDenied("This command is for the local operator alone, without --as and without credentials.")


def demands(permits: tuple[Permit, ...], account_id: str, arguments: Mapping[str, Any]) -> Iterator[Demand]:
    """What is demanded of the policies, for the arguments of one call."""
    for one in permits:
        value = arguments.get(one.argument) if one.argument else None
        if value is not None or not one.optional:
            for action in one.actions:
                yield _demand(action, one.kind, account_id, value)


def _demand(action: str, kind: str, account_id: str, value: str | None) -> Demand:
    from iamledger.authorization import Demand
    from iamledger.iam.access_key import AccessKey
    from iamledger.iam.group import Group
    from iamledger.iam.managed_policy import ManagedPolicy
    from iamledger.iam.user import User

    if kind == "any":
        return Demand(action, "*")
    if kind == "account":
        return Demand(action, f"arn:aws:iamledger::{account_id}:account")
    if kind == "principal" and value == "root":
        return Demand(action, f"arn:aws:iam::{account_id}:root")
    if kind == "resource" or (kind == "principal" and str(value).startswith("arn:")):
        return Demand(action, str(value))
    if kind == "principal":
        kind, value = ("group", value[6:]) if value and value.startswith("group/") else ("user", value)
    if value is None or value.startswith("/"):  # all, or those of a path
        return Demand(action, f"arn:aws:iam::{account_id}:{'user' if kind == 'key' else kind}{value or '/'}")
    if kind == "policy" and not value.startswith("arn:"):
        value = f"arn:aws:iam::{account_id}:policy/{value}"
    return Demand(action, value, {"user": User, "group": Group, "policy": ManagedPolicy, "key": AccessKey}[kind])
