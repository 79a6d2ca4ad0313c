"""The audit trail: events found by whom they are about, who did them, what they are and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iamledger import store
from iamledger.iam import constraints
from iamledger.iam.events import ACCESS_KEY, USER, USER_NAME, event_types
from iamledger.iam.refusals import NoSuchEntity, ValidationError

_ACTOR = constraints.Constraint("actor", 1, 2048, r"[^\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events. Everything that is given must hold."""

    user: str | None = None
    """Name (of today or of the past) or unique id of the user that they are about."""
    access_key_id: str | None = None
    actor: str | None = None
    """Name of the operating system user, or ARN, of who did it."""
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
    if wanted.access_key_id is not None:
        tags.append([ACCESS_KEY.of(constraints.ACCESS_KEY_ID.check(wanted.access_key_id))])
    if wanted.actor is not None:
        _ACTOR.check(wanted.actor)
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
        ("actor", wanted.actor, "%(actor)s IN (context->'actor'->>'os_user', context->'actor'->>'arn')"),
    ):
        if value:
            conditions.append(condition)
            parameters[name] = value
    return store.select(connection, " AND ".join(conditions), parameters, newest_first=newest_first)


def user_ids(connection: store.Connection, account_id: str, user: str, upto: int) -> list[str]:
    """The unique ids of all users that had a name until a position; or the id itself. Raises NoSuchEntity."""
    tags = [USER_NAME.of(constraints.EXISTING_USER_NAME.check(user)), USER.of(user)]
    with store.translated():
        rows = connection.execute(
            "SELECT DISTINCT e.data->>'user_id' FROM iamledger.event_tags t JOIN iamledger.events e"
            " USING (account_id, position) WHERE t.account_id = %s AND t.tag = ANY(%s) AND t.position <= %s",
            (account_id, tags, upto),
        ).fetchall()
    if not rows:
        raise NoSuchEntity(f"No user with name {user} has ever been in account {account_id}.")
    return [user_id for (user_id,) in rows]


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
