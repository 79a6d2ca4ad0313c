"""The events that give policies and take them away, over a range of positions: which of them did it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from iamledger import store
from iamledger.access.governing import OfResources, document_of
from iamledger.access.grants import Grants, HeldPolicy, UnreadablePolicy
from iamledger.iam.resource_arn import governing_arns
from iamledger.policy import Statement

if TYPE_CHECKING:
    from iamledger.engine.view import View

ATTACHED = ("UserPolicyAttached", "GroupPolicyAttached")
OF_RESOURCES = ("ResourcePolicyPut", "ResourcePolicyDeleted")
TYPES = (
    *ATTACHED,
    *("UserPolicyDetached", "GroupPolicyDetached"),
    *("UserPolicyPut", "UserPolicyDeleted", "GroupPolicyPut", "GroupPolicyDeleted"),
    *("UserAddedToGroup", "UserRemovedFromGroup"),
    *("DefaultPolicyVersionSet", "UserPermissionsBoundaryPut", "UserPermissionsBoundaryDeleted"),
)


@dataclass(frozen=True, slots=True)
class GrantEvents:
    """The events of a range, by what they are about: the keys are those of `_keys`."""

    by_key: dict[tuple[str, ...], list[store.RecordedEvent]]

    def about(self, *key: str) -> list[store.RecordedEvent]:
        """Those about a user's or group's policy, a membership, a boundary, a policy's version in force, or a resource."""
        return self.by_key.get(key, [])


def policy_arns(view: View) -> dict[str, str]:
    """The ARNs of managed policies by their ids, of a view with the projections `READS`."""
    return {row["policy_id"]: row["arn"] for row in view.rows("SELECT p.policy_id, p.arn FROM {managed_policies} p")}


def read_grant_events(
    connection: store.Connection, account_id: str, after: int, upto: int, arns: Mapping[str, str]
) -> GrantEvents:
    """The events after one position and up to another. `arns` are those of managed policies by their ids."""
    found: dict[tuple[str, ...], list[store.RecordedEvent]] = defaultdict(list)
    conditions = "account_id = %(account)s AND position > %(after)s AND position <= %(upto)s AND type = ANY(%(types)s)"
    types = [*TYPES, *OF_RESOURCES]
    parameters = {"account": account_id, "after": after, "upto": upto, "types": types, "limit": None}
    for event in store.select(connection, conditions, parameters):
        found[_key(event, arns)].append(event)
    return GrantEvents(found)


def _key(event: store.RecordedEvent, arns: Mapping[str, str]) -> tuple[str, ...]:
    data: Any = event.data
    if event.type in OF_RESOURCES:
        return "resource", str(data["resource_arn"])
    principal = str(data.get("user_id") or data.get("group_id"))
    if event.type == "DefaultPolicyVersionSet":
        return "version", arns.get(data["policy_id"], data["policy_id"])
    if event.type.startswith("UserPermissionsBoundary"):
        return "boundary", principal
    if event.type in ("UserAddedToGroup", "UserRemovedFromGroup"):
        return "member", principal, str(data["group_id"])
    return "policy", principal, str(data.get("policy_name") or data["policy_arn"])


def gave(before: Grants, after: Grants, user_id: str, label: str, events: GrantEvents) -> store.RecordedEvent | None:
    """The first event since which a user holds a policy of some label, which it holds as of the grants after.

    A policy that it held before in another version came with the version, if nothing else of how it held it changed until
    then.
    """
    found = []
    for way in _ways(after, user_id, label, events):
        ends = [some[-1] for some in way if some]
        if not ends:
            return None  # it was held this way all the time
        found.append(max(ends, key=_position))
    policy = after.policies.get(label)
    for other in {one.policy.label for one in before.holdings(user_id) if policy and policy.arn == one.policy.arn}:
        for *links, versions in _ways(before, user_id, other, events) if policy and policy.arn else ():
            if versions and not any(event.position < versions[-1].position for some in links for event in some):
                found.append(versions[-1])
    return min(found, key=_position, default=None)


def _position(event: store.RecordedEvent) -> int:
    return event.position


def took(grants: Grants, user_id: str, label: str, events: GrantEvents) -> store.RecordedEvent | None:
    """The event by which a user ceased to hold a policy of some label, which it holds as of the grants before."""
    found = []
    for way in _ways(grants, user_id, label, events):
        begins = [some[0] for some in way if some]
        if begins:
            found.append(min(begins, key=_position))
    return max(found, key=_position, default=None)


def turned(
    before: OfResources, resource: str, statement: Statement, events: GrantEvents, *, there: bool
) -> store.RecordedEvent | None:
    """The last event since which a statement is, or is not, in the policy that governs a resource."""
    arns = governing_arns(resource)
    texts = {arn: before[arn].text for arn in arns if arn in before}
    found, held = None, _has(texts, arns, statement)
    for event in sorted((event for arn in arns for event in events.about("resource", arn)), key=_position):
        texts.pop(event.data["resource_arn"], None)
        if event.type == "ResourcePolicyPut":
            texts[event.data["resource_arn"]] = event.data["document"]
        if held != (held := _has(texts, arns, statement)) and held == there:
            found = event
    return found


def _has(texts: Mapping[str, str], arns: Iterable[str], statement: Statement) -> bool:
    arn = next((arn for arn in arns if arn in texts), None)
    if arn is None:
        return False
    with suppress(UnreadablePolicy):
        return any(replace(one, sid=statement.sid) == statement for one in document_of(arn, texts[arn]).statements)
    return False


def _ways(grants: Grants, user_id: str, label: str, events: GrantEvents) -> Iterator[list[list[store.RecordedEvent]]]:
    """For each way in which a user holds a policy, the events about each link of it."""
    for holding in grants.holdings(user_id):
        if holding.policy.label == label:
            links = [events.about("policy", holding.group.id if holding.group else user_id, _named(holding.policy))]
            if holding.group:
                links.append(events.about("member", user_id, holding.group.id))
            yield [*links, *_versions(holding.policy, events)]
    boundary = grants.boundaries.get(user_id)
    if boundary and boundary[0].label == label:
        yield [events.about("boundary", user_id), *_versions(boundary[0], events)]


def _named(policy: HeldPolicy) -> str:
    return policy.arn or policy.name


def _versions(policy: HeldPolicy, events: GrantEvents) -> Iterable[list[store.RecordedEvent]]:
    return [events.about("version", policy.arn)] if policy.arn else []
