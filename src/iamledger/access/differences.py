"""Permissions gained and lost by users between two moments, and the events that did it.

Users whose policies say the same, word by word, at both moments are not looked at; of the others, what their policies allow
is compared (`policy/comparing/differences.py`), not how they are written or by which way they are held. It is compared for
the user as it is at the second moment: who was renamed or tagged otherwise is told among what was not compared, if a policy
could tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from iamledger.access.grant_events import GrantEvents, gave, took
from iamledger.access.grants import Grants, HeldPolicy, UnreadablePolicy, User
from iamledger.policy import Caller, Pattern, Policy, PolicySet, Variable
from iamledger.policy.comparing import Actions, Budget, Cause, Compared, Difference, differences

if TYPE_CHECKING:
    from iamledger.store import RecordedEvent

_OF_CALLERS = ("aws:username", "aws:userid", "aws:principal")


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


def changes(
    before: Grants, after: Grants, events: GrantEvents, actions: Actions, user_ids: frozenset[str] | None = None
) -> Changes:
    """What users gained and lost, all or some, by name. Those who are there at one moment only are nobody at the other."""
    found = Changes()
    users = {**before.users, **after.users}
    comparisons = _Comparisons(actions)
    for user in sorted(users.values(), key=lambda user: (user.name.lower(), user.id)):
        if user_ids is not None and user.id not in user_ids:
            continue
        if not _may_differ(user.id, before, after):
            continue
        try:
            sets = [_policies(grants, user.id) for grants in (before, after)]
        except UnreadablePolicy as error:
            found.untold.append((user.name, str(error)))
            continue
        caller = (after if user.id in after.users else before).caller(user.id)
        compared = comparisons.compared(sets[0], sets[1], caller)
        found.untold += [(user.name, text) for text in compared.untold]
        for difference in compared.differences:
            sources = tuple(_sources(difference, user.id, before, after, events))
            found.changes.append(Change(user, difference, sources))
        if _is_somebody_else(user.id, before, after) and any(map(_looks_at_callers, sets)):
            found.untold.append((user.name, "what its old name, path or tags made of its policies"))
    return found


class _Comparisons:
    """Comparisons of policies, of which each that is the same for several users is made once."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._known: dict[tuple[object, ...], Compared] = {}
        self._about: dict[tuple[str, int], frozenset[str]] = {}

    def compared(self, before: PolicySet, after: PolicySet, caller: Caller) -> Compared:
        """What somebody gains and loses."""
        before, after = self._related(before, after)
        own: object = caller.arn if _looks_at_callers(before) or _looks_at_callers(after) else None
        key = (*map(_key, (before, after)), own)
        if key not in self._known:
            self._known[key] = differences(before, after, caller, self._actions, Budget())
        return self._known[key]

    def _related(self, before: PolicySet, after: PolicySet) -> tuple[PolicySet, PolicySet]:
        """The same without those policies that are about other services than whatever changed."""
        if before.boundary != after.boundary:
            return before, after
        texts = [{policy.document for policy in one.identity} for one in (before, after)]
        changed = [
            policy for one in (before, after) for policy in one.identity if policy.document in texts[0] ^ texts[1]
        ]
        services = frozenset[str]().union(*(self._services(policy) for policy in changed))

        def kept(policies: PolicySet) -> PolicySet:
            related = (one for one in policies.identity if "*" in services or self._services(one) & {"*", *services})
            return replace(policies, identity=tuple(related))

        return kept(before), kept(after)

    def _services(self, policy: Policy) -> frozenset[str]:
        """The services that a policy is about; `*` among them if it may be about all."""
        key = (policy.label, id(policy.document))  # an inline policy has the same label at both moments
        if key not in self._about:
            self._about[key] = frozenset(
                "*" if statement.not_action else pattern.text.partition(":")[0].lower()
                for statement in policy.document.statements
                for pattern in (*statement.action, *statement.not_action)
            )
        return self._about[key]


def _may_differ(user_id: str, before: Grants, after: Grants) -> bool:
    """Whether a user, or what it holds, is not the same, word by word."""
    return _is_somebody_else(user_id, before, after) or _texts(user_id, before) != _texts(user_id, after)


def _texts(user_id: str, grants: Grants) -> object:
    """The texts of what a user holds, and of its boundary."""
    boundary = grants.boundaries.get(user_id)
    held = frozenset(holding.policy.text for holding in grants.holdings(user_id))
    return user_id in grants.users, held, boundary and boundary[0].text


def _key(policies: PolicySet) -> object:
    return frozenset(one.label for one in policies.identity), policies.boundary and policies.boundary.label


def _policies(grants: Grants, user_id: str) -> PolicySet:
    return grants.policy_set(user_id) if user_id in grants.users else PolicySet()


def _is_somebody_else(user_id: str, before: Grants, after: Grants) -> bool:
    one, other = before.users.get(user_id), after.users.get(user_id)
    return bool(one and other) and before.caller(user_id) != after.caller(user_id)


def _looks_at_callers(policies: PolicySet) -> bool:
    """Whether what policies allow hangs on who asks."""
    return any(
        any(
            isinstance(part, Variable) for pattern in patterns if isinstance(pattern, Pattern) for part in pattern.parts
        )
        or any(condition.key.lower().startswith(_OF_CALLERS) for condition in statement.conditions)
        for _, _, some in policies.layers()
        for policy in some
        for statement in policy.document.statements
        for patterns in (
            (*statement.resource, *statement.not_resource, *(o for c in statement.conditions for o in c.operands)),
        )
    )


def _sources(
    difference: Difference, user_id: str, before: Grants, after: Grants, events: GrantEvents
) -> Iterator[Source]:
    for cause in difference.causes:
        grants = after if cause.after else before
        if cause.after:
            event = gave(before, after, user_id, cause.label, events)
        else:
            event = took(before, user_id, cause.label, events)
        holding = next((one for one in grants.holdings(user_id) if one.policy.label == cause.label), None)
        bound = grants.boundaries.get(user_id)
        policy = holding.policy if holding else bound[0] if bound else None
        yield Source(cause, policy, holding.group.name if holding and holding.group else None, event)


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
