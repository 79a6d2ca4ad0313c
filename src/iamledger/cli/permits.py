"""What a caller must be permitted for a command that reads. For one that writes, the decisions that it runs tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from iamledger.authorization import Demand
    from iamledger.engine.view import View
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


def elsewhere() -> AccessDenied:
    """The refusal of what is about another account; it does not tell whether there is such an account."""
    from iamledger.iam.refusals import AccessDenied

    return AccessDenied("A user can do nothing in another account than its own.")


_NAMED = ("user", "group", "policy", "principal", "key")


class Found(NamedTuple):
    """The ARN of what an argument names; the user's unique id, if it is a user or its key; its own id, if it is there."""

    arn: str
    user_id: str | None = None
    unique_id: str | None = None


READS = ("users", "groups", "managed_policies", "access_keys", "access_key_uses")


def demands(
    permits: tuple[Permit, ...], account_id: str, arguments: Mapping[str, Any], find: Callable[[str, str], list[Found]]
) -> Iterator[Demand]:
    """What is demanded of the policies, for the arguments of one call.

    `find` tells what a kind of thing is that is called so, at each moment that the call is about.
    """
    for one in permits:
        value = arguments.get(one.argument) if one.argument else None
        if value is not None or not one.optional:
            yield from _demands(one, account_id, value, find)


def _demands(
    permit: Permit, account_id: str, value: str | None, find: Callable[[str, str], list[Found]]
) -> Iterator[Demand]:
    from iamledger.authorization import Demand

    kind = permit.kind
    if kind == "any":
        found = [Found("*")]
    elif kind == "account":
        found = [Found(f"arn:aws:iamledger::{account_id}:account")]
    elif kind == "resource":
        from iamledger.iam.resource_arn import read_resource_arn

        read_resource_arn(str(value))
        found = [Found(str(value))]
    elif value is None or value.startswith("/"):  # all, or those of a path
        found = [Found(f"arn:aws:iam::{account_id}:{kind}{value or '/'}")]
    else:
        found = find(kind, value)
    named = value is not None and kind in _NAMED and not value.startswith("/")
    told = named_so(account_id, kind, str(value)).arn if named else None
    for action in permit.actions:
        yield from (Demand(action, one.arn, one.user_id, told) for one in found)


def found_in(view: View, kind: str, called: str) -> Found:
    """What is called so as of a view, found as the commands find it; if there is nothing, what would be called so.

    Raises ValidationError for what nothing can be called.
    """
    from iamledger.access.questions import named_principal
    from iamledger.iam import constraints
    from iamledger.iam.refusals import NoSuchEntity
    from iamledger_projections.access_keys import get_access_key
    from iamledger_projections.groups import get_group
    from iamledger_projections.managed_policies import get_policy
    from iamledger_projections.users import get_user

    try:
        if kind == "principal":
            named = named_principal(view, called, groups=True)
            return Found(named.arn, named.user_id, named.user_id or named.group_id)
        if kind == "group":
            group = get_group(view, constraints.GROUP_NAME.check(called))
            return Found(group["Arn"], None, group["GroupId"])
        if kind == "policy":
            policy = get_policy(view, called)
            return Found(policy["Arn"], None, policy["PolicyId"])
        key_id = called if kind == "key" else None
        if key_id is not None:
            called = get_access_key(view, constraints.ACCESS_KEY_ID.check(key_id))["UserName"]
        user = get_user(view, constraints.EXISTING_USER_NAME.check(called))
        return Found(user["Arn"], user["UserId"], key_id or user["UserId"])
    except NoSuchEntity:
        return named_so(view.account_id, kind, called)


def named_so(account_id: str, kind: str, called: str) -> Found:
    """What would be called so, as far as the name tells it. Of a key it tells nothing."""
    if kind == "key":
        return Found("*")
    if called.startswith("arn:"):
        return Found(called)
    if kind == "principal":
        kind, called = ("group", called[6:]) if called.startswith("group/") else ("user", called)
    return Found(f"arn:aws:iam::{account_id}:{kind}/{called}")
