"""What the owner of an access key could do, from a moment on, and what the key did: also of a key that is long gone.

What policies of the account's own resources granted the owner is part of it.

The period begins when the key is suspected from, and ends when the key did: revoked, or past its grace. What could be done
is the union over the period: what was allowed at its beginning, and after every event that gave the owner something or took
something away. What was done is what the ledger knows: its own commands, and the uses that were recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from iamledger import store
from iamledger.access.comparisons import Comparisons
from iamledger.access.governing import READS as OF_RESOURCES
from iamledger.access.governing import Governing, OfResources, may_be_about, read_resource_policies
from iamledger.access.grant_events import OF_RESOURCES as RESOURCE_TYPES
from iamledger.access.grant_events import TYPES
from iamledger.access.grants import READS, Grants, UnreadablePolicy, read_grants
from iamledger.access.permissions import data_of, is_administrator, is_unlimited, services_of
from iamledger.engine.view import open_view
from iamledger.history import of_access_key
from iamledger.iam.refusals import InvalidInput
from iamledger.iam.resource_arn import governing_arns
from iamledger.policy import Layer, PolicySet, compile_policies
from iamledger.policy.comparing import Actions, Cause, Difference
from iamledger.read_models import all_projections

if TYPE_CHECKING:
    from iamledger.store import RecordedEvent

MOST_MOMENTS = 300
"""So many moments of a period are looked at; if grants changed more often, that is told."""
CREATED, NOT_ENDED = "created", "now"
"""Why a period begins, or ends, where there is nothing else to say."""


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when a key could be abused, in positions and in times, and why it begins and ends there."""

    user_id: str
    since: datetime
    since_why: str
    until: datetime | None
    until_why: str
    first: int
    last: int
    upto: int
    """The position up to which the ledger is looked at: uses may have been recorded later than they were."""


class Held(NamedTuple):
    """A policy, by its name and the kind of policies that it is of, and the group through which it was held."""

    policy_name: str
    layer: Layer
    group_name: str | None


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission: a pattern of actions and how many it means, the policies by which it was had, and when.

    `first` and `last` are the first and the last position of the period at which it was there.
    """

    pattern: str
    actions: int
    but_for: tuple[str, ...]
    resource: str
    condition: str | None
    policies: tuple[Held, ...]
    first: int
    last: int


@dataclass
class BlastRadius:
    """What a key could do and what it did."""

    period: Period
    permissions: list[Permission] = field(default_factory=list)
    administrator: bool = False
    services: list[str] = field(default_factory=list)
    """The services of what it could do."""
    data: list[str] = field(default_factory=list)
    """The actions among them that tell data."""
    commands: list[RecordedEvent] = field(default_factory=list)
    uses: list[Mapping[str, Any]] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


def period_of(
    connection: store.Connection,
    account_id: str,
    access_key_id: str,
    upto: int,
    now: datetime,
    since: datetime | None = None,
) -> Period:
    """The period of a key, as it was known at a position, at a time. Raises NoSuchEntity, InvalidInput."""
    if since is not None and since > now:
        raise InvalidInput(f"{since.isoformat()} had not come yet at {now.isoformat()}.")
    events = of_access_key(connection, account_id, access_key_id, upto)
    created = next(e for e in events if e.type == "AccessKeyCreated" and e.data["access_key_id"] == access_key_id)
    revoked = next((event for event in events if event.type == "AccessKeyRevoked"), None)
    begin, why = _begin(created, revoked, since)
    end, end_why, last = _end(connection, account_id, access_key_id, events, revoked, upto, now)
    if end is not None and begin > end:
        raise InvalidInput(
            f"The Access Key with id {access_key_id} was {end_why} at {end.isoformat()}, before {begin.isoformat()}."
        )
    first = max(created.position, store.position_at(connection, account_id, begin))
    return Period(created.data["user_id"], begin, why, end, end_why, min(first, last), last, upto)


def _begin(created: RecordedEvent, revoked: RecordedEvent | None, since: datetime | None) -> tuple[datetime, str]:
    suspected = revoked.data.get("suspected_since") if revoked else None
    if since is not None:
        return max(since, created.recorded_at), "as asked for" if since > created.recorded_at else CREATED
    if suspected is not None and (when := datetime.fromisoformat(suspected)) > created.recorded_at:
        return when, "suspected"
    return created.recorded_at, CREATED


def _end(
    connection: store.Connection,
    account_id: str,
    access_key_id: str,
    events: Sequence[RecordedEvent],
    revoked: RecordedEvent | None,
    upto: int,
    now: datetime,
) -> tuple[datetime | None, str, int]:
    """When it ended, why, and the last position at which it could be used."""
    rotated = [e for e in events if e.type == "AccessKeyRotated" and e.data["access_key_id"] == access_key_id]
    ends = [(revoked.recorded_at, "revoked", revoked.position - 1)] if revoked else []
    for event in rotated:
        until = datetime.fromisoformat(event.data["usable_until"])
        if until <= now:
            last = min(upto, store.position_at(connection, account_id, until))
            ends.append((until, "past its grace", max(last, event.position)))
    return min(ends) if ends else (None, NOT_ENDED, upto)


def blast_radius(
    connection: store.Connection, account_id: str, access_key_id: str, period: Period, actions: Actions
) -> BlastRadius:
    """All of it."""
    found = BlastRadius(period)
    known: dict[Permission, Permission] = {}
    seen: dict[object, list[Permission]] = {}
    allowed: list[Difference] = []
    for first, last, grants, resources in _moments(connection, account_id, period, found):
        if period.user_id not in grants.users:
            continue
        try:
            policies = grants.policy_set(period.user_id)
        except UnreadablePolicy as error:
            found.untold.append(str(error))
            continue
        caller = grants.caller(period.user_id)
        ways = frozenset((one.policy.label, one.group and one.group.name) for one in grants.holdings(period.user_id))
        governing = Governing({}, resources)
        key = (caller.arn, str(caller.facts), policies, ways, tuple(governing.areas(caller)))
        if key not in seen:
            compared = Comparisons(actions, governing).compared(PolicySet(), policies, caller)
            found.untold += [text for text in governing.unread.values() if text not in found.untold]
            found.untold += [text for text in compared.untold if text not in found.untold]
            found.administrator = found.administrator or (
                is_administrator(compile_policies(policies), caller)
                and is_unlimited(policies, compared)
                and not (governing.unread or governing.denies(caller))
            )
            allowed += compared.differences
            seen[key] = []
            for one in compared.differences:
                held = tuple(dict.fromkeys(_held(grants, period.user_id, cause) for cause in one.causes))
                for told in one.patterns:
                    found_here = Permission(*told, one.resource, one.condition, held, first, last)
                    name = replace(found_here, first=0, last=0)
                    seen[key].append(name)
                    known.setdefault(name, found_here)
        for name in seen[key]:
            known[name] = replace(known[name], last=last)
    found.permissions = list(known.values())
    found.services, found.data = services_of(allowed), data_of(allowed)
    found.commands = _commands(connection, account_id, access_key_id, period)
    found.uses = _uses(connection, account_id, access_key_id, period)
    return found


def _held(grants: Grants, user_id: str, cause: Cause) -> Held:
    holding = next((one for one in grants.holdings(user_id) if one.policy.label == cause.label), None)
    if holding is None:
        return Held(cause.label, cause.layer, None)
    return Held(holding.policy.name, cause.layer, holding.group.name if holding.group else None)


def _moments(
    connection: store.Connection, account_id: str, period: Period, found: BlastRadius
) -> Iterator[tuple[int, int, Grants, OfResources]]:
    """The grants from one change of them to the next, with the first and the last position of each."""
    projections = [all_projections()[name] for name in (*READS, *OF_RESOURCES)]
    with open_view(connection, account_id, projections[-len(OF_RESOURCES) :], position=period.first) as view:
        put = {arn: policy.text for arn, policy in read_resource_policies(view).items()}
    positions = [
        period.first,
        *sorted({*_changes(connection, account_id, period), *_put(connection, account_id, period, put)}),
    ]
    if len(positions) > MOST_MOMENTS:
        found.untold.append(
            f"what was allowed for a short time only: grants of the account changed {len(positions) - 1} times in the"
            f" period, of which {MOST_MOMENTS} moments were looked at"
        )
        step = len(positions) / MOST_MOMENTS
        positions = sorted({positions[int(n * step)] for n in range(MOST_MOMENTS)} | {positions[-1]})
    for first, following in zip(positions, [*positions[1:], period.last + 1], strict=True):
        with open_view(connection, account_id, projections, position=first) as view:
            yield first, following - 1, read_grants(view, period.user_id), read_resource_policies(view)


def _changes(connection: store.Connection, account_id: str, period: Period) -> list[int]:
    """The positions at which the owner's grants may have changed: of its own events, and of those of groups and policies."""
    with store.translated():
        rows = connection.execute(
            "SELECT position FROM iamledger.events WHERE account_id = %(account)s AND position > %(first)s"
            " AND position <= %(last)s AND type = ANY(%(types)s)"
            " AND coalesce(data->>'user_id', %(user)s) = %(user)s ORDER BY position",
            {
                "account": account_id,
                "first": period.first,
                "last": period.last,
                "types": [*TYPES, "UserRenamed", "UserPathChanged", "UserTagged", "UserUntagged"],
                "user": period.user_id,
            },
        ).fetchall()
    return [position for (position,) in rows]


def _put(connection: store.Connection, account_id: str, period: Period, held: Mapping[str, str]) -> list[int]:
    """The positions at which policies of resources changed that may be about the owner, or that lie in such ones."""
    with store.translated():
        rows = connection.execute(
            "SELECT position, data->>'resource_arn', data->>'document' FROM iamledger.events"
            " WHERE account_id = %(account)s AND position > %(first)s AND position <= %(last)s"
            " AND type = ANY(%(types)s) ORDER BY position",
            {"account": account_id, "first": period.first, "last": period.last, "types": list(RESOURCE_TYPES)},
        ).fetchall()
    texts = [*held.items(), *((arn, text) for _, arn, text in rows if text)]
    about = {arn for arn, text in texts if may_be_about(arn, text, period.user_id)}
    return [position for position, arn, _ in rows if about.intersection(governing_arns(arn))]


def _commands(connection: store.Connection, account_id: str, access_key_id: str, period: Period) -> list[RecordedEvent]:
    """The events that were recorded with the key as their actor's. That it was used is among the uses."""
    return store.select(
        connection,
        "account_id = %(account)s AND position >= %(first)s AND context->'actor'->>'access_key_id' = %(key)s"
        " AND recorded_at >= %(since)s AND position <= %(upto)s"
        " AND NOT (type = 'AccessKeyUsed' AND data->>'access_key_id' = %(key)s)",
        {
            "account": account_id,
            "first": period.first,
            "upto": period.upto,
            "since": period.since,
            "key": access_key_id,
            "limit": None,
        },
    )


def _uses(connection: store.Connection, account_id: str, access_key_id: str, period: Period) -> list[Mapping[str, Any]]:
    """The uses by service and region: how many quarters of an hour, first and last. Those after the end count too.

    Of a key that is looked at from its creation on, all count, whatever clock noted them.
    """
    since = None if period.since_why == CREATED else period.since
    with store.translated():
        rows = connection.execute(
            "SELECT e.data->>'service_name', e.data->>'region', count(*), min((e.data->>'used_at')::timestamptz),"
            " max((e.data->>'used_at')::timestamptz) FROM iamledger.event_tags t JOIN iamledger.events e"
            " USING (account_id, position) WHERE t.account_id = %(account)s AND t.tag = %(tag)s"
            " AND e.type = 'AccessKeyUsed' AND t.position <= %(upto)s"
            " AND (%(since)s::timestamptz IS NULL OR (e.data->>'used_at')::timestamptz >= %(since)s)"
            " GROUP BY 1, 2 ORDER BY 4, 1, 2",
            {"account": account_id, "tag": f"access-key:{access_key_id}", "since": since, "upto": period.upto},
        ).fetchall()
    return [
        {"ServiceName": service, "Region": region, "Uses": count, "FirstUsed": first, "LastUsed": last}
        for service, region, count, first, last in rows
    ]
