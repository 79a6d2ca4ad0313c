"""The audit trail: events found by whom they are about, who did them, what they are and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iamledger import store
from iamledger.iam import constraints
from iamledger.iam.events import ACCESS_KEY, USER, USER_NAME, event_types
from iamledger.iam.group import GROUP, GROUP_NAME
from iamledger.iam.identifiers import arn
from iamledger.iam.managed_policy import POLICY, POLICY_NAME
from iamledger.iam.refusals import NoSuchEntity, ValidationError
from iamledger.iam.resource import RESOURCE
from iamledger.iam.resource_arn import read_resource_arn

_ACTOR = constraints.Constraint("actor", 1, 2048, r"[^\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events. Everything that is given must hold."""

    user: str | None = None
    """Name (of today or of the past), unique id or ARN of the user that they are about."""
    group: str | None = None
    """The same of a group."""
    policy: str | None = None
    """Name, unique id or ARN of a managed policy."""
    resource: str | None = None
    """The ARN of a resource."""
    access_key_id: str | None = None
    actor: str | None = None
    """Name of the operating system user, or ARN, of who did it."""
    ticket: str | None = None
    types: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


def find(
    connection: store.Connection,
    account_id: str,
    wanted: Filter,
    *,
    after: int = 0,
    upto: int,
    limit: int | None = None,
    newest_first: bool = True,
) -> list[store.RecordedEvent]:
    """The events that match, of a range of positions. Raises NoSuchEntity, ValidationError."""
    tags: list[list[str]] = []
    if wanted.user is not None:
        tags.append([USER.of(user_id) for user_id in user_ids(connection, account_id, wanted.user, upto)])
    if wanted.group is not None:
        tags.append([GROUP.of(group_id) for group_id in group_ids(connection, account_id, wanted.group, upto)])
    if wanted.policy is not None:
        tags.append([POLICY.of(policy_id) for policy_id in policy_ids(connection, account_id, wanted.policy, upto)])
    if wanted.resource is not None:
        read_resource_arn(wanted.resource)
        tags.append([RESOURCE.of(wanted.resource)])
    if wanted.access_key_id is not None:
        tags.append([ACCESS_KEY.of(constraints.ACCESS_KEY_ID.check(wanted.access_key_id))])
    if wanted.actor is not None:
        _ACTOR.check(wanted.actor)
    if wanted.ticket is not None:
        constraints.TICKET.check(wanted.ticket)
    conditions = ["account_id = %(account)s", "position > %(after)s", "position <= %(upto)s"]
    parameters: dict[str, Any] = {"account": account_id, "after": after, "upto": upto, "limit": limit}
    for n, alternatives in enumerate(tags):
        conditions.append(
            "position IN (SELECT position FROM iamledger.event_tags WHERE account_id = %(account)s"
            f" AND tag = ANY(%(tags{n})s))"
        )
        parameters[f"tags{n}"] = alternatives
    for name, value, condition in (
        ("types", _known(wanted.types), "type = ANY(%(types)s)"),
        ("since", wanted.since, "recorded_at >= %(since)s"),
        ("until", wanted.until, "recorded_at <= %(until)s"),
        ("ticket", wanted.ticket, "context->>'ticket' = %(ticket)s"),
        ("actor", wanted.actor, "%(actor)s IN (context->'actor'->>'os_user', context->'actor'->>'arn')"),
    ):
        if value:
            conditions.append(condition)
            parameters[name] = value
    return store.select(connection, " AND ".join(conditions), parameters, newest_first=newest_first)


def user_ids(connection: store.Connection, account_id: str, user: str, upto: int) -> list[str]:
    """The unique ids of all users that had a name until a position, also in an ARN; or the id itself.

    An ARN is found by the name in it, whatever the user's path was. Raises NoSuchEntity, ValidationError.
    """
    name = constraints.EXISTING_USER_NAME.check(_name_in(user, account_id, "user"))
    return _ids(connection, account_id, "user", user, [USER_NAME.of(name), USER.of(name)], upto)


def group_ids(connection: store.Connection, account_id: str, group: str, upto: int) -> list[str]:
    """The same of groups."""
    name = constraints.GROUP_NAME.check(_name_in(group, account_id, "group"))
    return _ids(connection, account_id, "group", group, [GROUP_NAME.of(name), GROUP.of(name)], upto)


def policy_ids(connection: store.Connection, account_id: str, policy: str, upto: int) -> list[str]:
    """The unique ids of all managed policies, the account's own and AWS's, that had a name, or an ARN; or the id itself."""
    if policy.startswith("arn:"):
        of_arn = [POLICY_NAME.of(constraints.POLICY_ARN.check(policy))]
        return _ids(connection, account_id, "policy", policy, of_arn, upto, exactly=policy)
    name = constraints.POLICY_NAME.check(policy)
    of_name = [POLICY_NAME.of(arn(owner, "policy", "/", name)) for owner in (account_id, "aws")]
    return _ids(connection, account_id, "policy", policy, [*of_name, POLICY.of(name)], upto)


def _name_in(text: str, account_id: str, kind: str) -> str:
    """The name in an ARN of this account; any other text as it is."""
    return text.rpartition("/")[2] if text.startswith(arn(account_id, kind, "/", "")) else text


def _ids(
    connection: store.Connection,
    account_id: str,
    kind: str,
    named: str,
    tags: Sequence[str],
    upto: int,
    exactly: str | None = None,
) -> list[str]:
    """The ids in events with one of these tags; only in those of exactly this ARN. Raises NoSuchEntity."""
    with store.translated():
        rows = connection.execute(
            "SELECT DISTINCT e.data->>%(id)s FROM iamledger.event_tags t JOIN iamledger.events e"
            " USING (account_id, position) WHERE t.account_id = %(account)s AND t.tag = ANY(%(tags)s)"
            " AND t.position <= %(upto)s AND e.data->>%(id)s IS NOT NULL"  # a resource's events name users otherwise
            " AND (%(arn)s::text IS NULL OR e.data->>'arn' = %(arn)s)",
            {"id": f"{kind}_id", "account": account_id, "tags": list(tags), "upto": upto, "arn": exactly},
        ).fetchall()
    if not rows:
        what = "ARN" if named.startswith("arn:") else "name"
        raise NoSuchEntity(f"No {kind} with {what} {named} has ever been in account {account_id}.")
    return [id_ for (id_,) in rows]


def of_access_key(
    connection: store.Connection, account_id: str, access_key_id: str, upto: int
) -> list[store.RecordedEvent]:
    """The whole life of a key, oldest first, alive or long gone. Raises NoSuchEntity."""
    events = find(connection, account_id, Filter(access_key_id=access_key_id), upto=upto, newest_first=False)
    if not events:
        raise NoSuchEntity(f"No Access Key with id {access_key_id} has ever been in account {account_id}.")
    return events


def owner_name(connection: store.Connection, account_id: str, user_id: str, upto: int) -> str:
    """The last name that a user had until a position, also if the user is gone."""
    named = [store.Match([USER.of(user_id)], ["UserCreated", "UserRenamed"])]
    events = store.read(connection, account_id, named, upto=upto, newest_first=True, limit=1)
    return str(events[0].data["user_name"]) if events else user_id


def at_position(connection: store.Connection, account_id: str, position: int) -> store.RecordedEvent:
    """One event. Raises NoSuchEntity."""
    events = store.read(connection, account_id, after=position - 1, upto=position)
    if not events:
        head = store.head(connection, account_id).position
        raise NoSuchEntity(f"There is no position {position}; the ledger of account {account_id} has 1 to {head}.")
    return events[0]


def _known(types: Sequence[str]) -> list[str]:
    """Types by their stored names, however their case. Raises ValidationError."""
    names = {name.lower(): name for name in event_types()}
    unknown = [type_ for type_ in types if type_.lower() not in names]
    if unknown:
        raise ValidationError(
            f"There is no type of event {unknown[0]!r}. There are: {', '.join(sorted(event_types()))}."
        )
    return [names[type_.lower()] for type_ in types]
