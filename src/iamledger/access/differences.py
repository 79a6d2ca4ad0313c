"""Permissions gained and lost by users between two moments, and the events that did it.

Policies of the account's own resources count as identity policies do. Users whose policies say the same, word by word, at
both moments, and those of resources about them as well, are not looked at; of the others, what their policies allow
is compared (`policy/comparing/differences.py`), not how they are written or by which way they are held. It is compared for
the user as it is at the second moment: who was renamed or tagged otherwise is told among what was not compared, if a policy
could tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamledger.access.comparisons import Comparisons, hang_on_caller
from iamledger.access.governing import READS as READS_OF_RESOURCES
from iamledger.access.governing import Governing, OfResources, governing
from iamledger.access.grant_events import GrantEvents, gave, took, turned
from iamledger.access.grants import READS as READS_OF_GRANTS
from iamledger.access.grants import Grants, HeldPolicy, UnreadablePolicy, User
from iamledger.policy import Layer, PolicySet
from iamledger.policy.comparing import Actions, Cause, Difference

if TYPE_CHECKING:
    from iamledger.store import RecordedEvent


@dataclass(frozen=True, slots=True)
class Change:
    """A permission that a user gained or lost. `sources` are the policies for which that is so, with the events."""

    user: User
    difference: Difference
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A statement that was there at one of the moments only, how it was held, and the event by which it came or went."""

    cause: Cause
    policy: HeldPolicy | None
    group: str | None
    event: RecordedEvent | None


@dataclass
class Changes:
    """The changes of all users, and what was not compared: a user's name, or None for all, and what."""

    changes: list[Change] = field(default_factory=list)
    untold: list[tuple[str | None, str]] = field(default_factory=list)


READS = (*READS_OF_GRANTS, *READS_OF_RESOURCES)


@dataclass(frozen=True)
class Moment:
    """What users hold at a moment, and the policies of resources."""

    grants: Grants
    resources: OfResources = field(default_factory=dict)


def changes(
    before: Moment, after: Moment, events: GrantEvents, actions: Actions, user_ids: frozenset[str] | None = None
) -> Changes:
    """What users gained and lost, all or some, by name. Those who are there at one moment only are nobody at the other."""
    return _Changes(before, after, events, actions).found(user_ids)


class _Changes:
    def __init__(self, before: Moment, after: Moment, events: GrantEvents, actions: Actions) -> None:
        self._before, self._after, self._events, self._actions = before, after, events, actions
        self._made: dict[tuple[bool, bool], Comparisons] = {}

    def found(self, user_ids: frozenset[str] | None) -> Changes:
        """The changes of all users, or of some."""
        before, after = self._before.grants, self._after.grants
        found = Changes(untold=[(None, text) for text in self._comparisons(True, True).governing.unread.values()])
        users = {**before.users, **after.users}
        for user in sorted(users.values(), key=lambda user: (user.name.lower(), user.id)):
            if user_ids is None or user.id in user_ids:
                self._add(user, found)
        return found

    def _comparisons(self, before: bool, after: bool) -> Comparisons:
        """Those for users who are there before, or after."""
        if (before, after) not in self._made:
            sides = (self._before.resources if before else {}, self._after.resources if after else {})
            self._made[before, after] = Comparisons(self._actions, Governing(*sides))
        return self._made[before, after]

    def _add(self, user: User, found: Changes) -> None:
        before, after = self._before.grants, self._after.grants
        comparisons = self._comparisons(user.id in before.users, user.id in after.users)
        caller = (after if user.id in after.users else before).caller(user.id)
        if not _may_differ(user.id, before, after) and not comparisons.governing.changed_about(caller):
            return
        try:
            sets = [_policies(grants, user.id) for grants in (before, after)]
        except UnreadablePolicy as error:
            found.untold.append((user.name, str(error)))
            return
        compared = comparisons.compared(sets[0], sets[1], caller)
        found.untold += [(user.name, text) for text in compared.untold]
        for difference in compared.differences:
            found.changes.append(Change(user, difference, tuple(self._sources(difference, user.id))))
        if _is_somebody_else(user.id, before, after) and (
            any(map(hang_on_caller, sets)) or comparisons.governing.tells_apart(before.caller(user.id), caller)
        ):
            found.untold.append((user.name, "what its old name, path or tags made of its policies"))

    def _sources(self, difference: Difference, user_id: str) -> Iterator[Source]:
        for cause in difference.causes:
            if cause.layer is Layer.RESOURCE:
                yield Source(cause, None, None, self._turned(cause, difference.witness.resource))
            else:
                yield _source(cause, user_id, self._before.grants, self._after.grants, self._events)

    def _turned(self, cause: Cause, resource: str) -> RecordedEvent | None:
        """The event by which a statement of the policy of a resource came or went."""
        policy = governing((self._after if cause.after else self._before).resources, resource)
        if policy is None or cause.index is None:
            return None
        statement = policy.policy.document.statements[cause.index]
        return turned(self._before.resources, resource, statement, self._events, there=cause.after)


def _may_differ(user_id: str, before: Grants, after: Grants) -> bool:
    """Whether a user, or what it holds, is not the same, word by word."""
    return _is_somebody_else(user_id, before, after) or _texts(user_id, before) != _texts(user_id, after)


def _texts(user_id: str, grants: Grants) -> object:
    """The texts of what a user holds, and of its boundary."""
    boundary = grants.boundaries.get(user_id)
    held = frozenset(holding.policy.text for holding in grants.holdings(user_id))
    return user_id in grants.users, held, boundary and boundary[0].text


def _policies(grants: Grants, user_id: str) -> PolicySet:
    return grants.policy_set(user_id) if user_id in grants.users else PolicySet()


def _is_somebody_else(user_id: str, before: Grants, after: Grants) -> bool:
    one, other = before.users.get(user_id), after.users.get(user_id)
    return bool(one and other) and before.caller(user_id) != after.caller(user_id)


def _source(cause: Cause, user_id: str, before: Grants, after: Grants, events: GrantEvents) -> Source:
    grants = after if cause.after else before
    label = cause.label
    event = gave(before, after, user_id, label, events) if cause.after else took(before, user_id, label, events)
    holding = next((one for one in grants.holdings(user_id) if one.policy.label == label), None)
    bound = grants.boundaries.get(user_id)
    policy = holding.policy if holding else bound[0] if bound else None
    return Source(cause, policy, holding.group.name if holding and holding.group else None, event)


def row_of(change: Change) -> Mapping[str, Any]:
    """A change for programs. Patterns tell the actions, which may be thousands; `iamledger policy expand` lists them."""
    difference = change.difference
    return {
        "UserName": change.user.name,
        "UserId": change.user.id,
        "Change": "GAINED" if difference.gained else "LOST",
        "Actions": len(difference.actions),
        "Patterns": [
            {"Pattern": one.pattern, "Actions": one.actions, "ButFor": list(one.but_for)} for one in difference.patterns
        ],
        "Resource": difference.resource,
        "ButFor": list(difference.but_for),
        "Condition": difference.condition,
        "Sources": [_row_of_source(source) for source in change.sources],
        "Witness": {
            "Action": difference.witness.action,
            "Resource": difference.witness.resource,
            "Context": dict(difference.witness.context),
        },
    }


def _row_of_source(source: Source) -> Mapping[str, Any]:
    event = source.event
    return {
        "Effect": source.cause.effect,
        "Layer": source.cause.layer.value,
        "PolicyName": source.policy.name if source.policy else source.cause.label,
        "PolicyArn": source.policy.arn if source.policy else None,
        "PolicyVersion": source.policy.version if source.policy else None,
        "Statement": None if source.cause.index is None else source.cause.index + 1,
        "GroupName": source.group,
        "Present": "after" if source.cause.after else "before",
        "Event": event.type if event else None,
        "Position": event.position if event else None,
        "RecordedAt": event.recorded_at if event else None,
        "Actor": event.context.get("actor") if event else None,
        "Reason": event.context.get("reason") if event else None,
        "Ticket": event.context.get("ticket") if event else None,
    }
