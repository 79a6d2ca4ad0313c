"""Whether a caller may do what it asks for, by its grants as the events of the consistency boundary tell them.

Grants are found by tags, as all that decisions look at, and so belong to the append's condition: if one is revoked while a
command runs, that is a conflict, and the command is decided again without it. What is compiled is kept by content, so there
is nothing that could be out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from iamledger.actors import Principal
from iamledger.decisions import Bound, query_of
from iamledger.iam import constraints
from iamledger.iam.access_key import AccessKey
from iamledger.iam.attachment import GroupAttachedPolicies, UserAttachedPolicies
from iamledger.iam.denial import RequestDenied, beyond_policies
from iamledger.iam.events import Event
from iamledger.iam.group import Group
from iamledger.iam.inline_policy import GroupInlinePolicies, UserInlinePolicies
from iamledger.iam.managed_policy import ManagedPolicy, PolicyVersions
from iamledger.iam.membership import UserGroups
from iamledger.iam.nouns import Name, Named, Noun
from iamledger.iam.permissions import Permission, permissions_of
from iamledger.iam.permissions_boundary import UserPermissionsBoundary
from iamledger.iam.refusals import AccessDenied, InvalidClientTokenId, InvalidInput, NoSuchEntity
from iamledger.iam.resource import ResourcePolicy
from iamledger.iam.resource_arn import governing_arns
from iamledger.iam.user import User, UserExistence, UserTags
from iamledger.past import Past
from iamledger.policy import (
    Caller,
    CompiledPolicies,
    Kind,
    Layer,
    Outcome,
    Policy,
    PolicyDocument,
    PolicyError,
    PolicySet,
    Request,
    compile_policies,
    parse,
)
from iamledger.principals import REGION, facts_of_user, known_of_requests, root_as_caller, user_as_caller
from iamledger.store.events import Match

_OF_CALLER: tuple[type[Noun], ...] = (
    User,
    UserExistence,
    UserTags,
    UserGroups,
    UserAttachedPolicies,
    UserInlinePolicies,
    UserPermissionsBoundary,
)
_OF_GROUPS: tuple[type[Noun], ...] = (Group, GroupAttachedPolicies, GroupInlinePolicies)
_OF_POLICIES: tuple[type[Noun], ...] = (ManagedPolicy, PolicyVersions)
_ALL: tuple[type[Noun], ...] = (*_OF_CALLER, AccessKey, *_OF_GROUPS, *_OF_POLICIES)
_GRANTING = {event for noun in _ALL for event in noun.evolves_on}

_OF_LEDGER = ("arn:aws:iam:", "arn:aws:iamledger:", "*")
"""What begins so is no registered resource, so it has no policy."""

Text = tuple[str, str]
"""A policy: its label, and its document as it was submitted."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a caller wants to do: an action, to the resource of an ARN.

    `user_id` is the user's, if the resource is one; `told` is what the caller named, for who is not to learn what that is.
    """

    action: str
    resource: str
    user_id: str | None = None
    told: str | None = None


def caller_query(principal: Principal) -> list[Match]:
    """What is to be known of a caller first."""
    if principal.is_root:
        return []
    nouns: list[tuple[type[Noun], str]] = [(noun, principal.unique_id) for noun in _OF_CALLER]
    if principal.access_key_id is not None:
        nouns.append((AccessKey, principal.access_key_id))
    return query_of(nouns)


class Authorization:
    """Answers for one caller, from what `past` knows; what is not known yet is read by `look`."""

    def __init__(
        self,
        principal: Principal,
        account_id: str,
        past: Past,
        look: Callable[[Sequence[Match]], None],
        *,
        now: datetime,
        source_address: str | None = None,
    ) -> None:
        self._principal, self._account_id, self._past, self._see = principal, account_id, past, look
        self._now, self._source_address = now, source_address
        self._known: tuple[Caller, CompiledPolicies] | None = None

    def check(self, bound: Bound) -> None:
        """Raise AccessDenied, with the attempt, unless the caller has every permission that a decision needs."""
        permissions = permissions_of(bound.decision)
        self._principal.check_account(self._account_id)
        if not permissions:
            attempt = beyond_policies(self._principal.unique_id, bound.decision.__name__)
            denied = AccessDenied(f"{attempt.action.partition(':')[2]} is for the local operator alone.")
            denied.attempt = attempt
            raise denied
        for permission in permissions:
            if permission.when is None or bound.given().get(permission.when):
                self._check(permission, bound)

    def demand(self, demand: Demand) -> None:
        """Raise AccessDenied, with the attempt, unless the caller may do what it wants."""
        self._principal.check_account(self._account_id)
        facts = self._facts(User, demand.user_id) if demand.user_id else {}
        self._decide(demand.action, demand.resource, facts, demand.told)

    def learned(self, events: Iterable[Event]) -> None:
        """Events were added to the past: if they are about grants, the caller's may be others now."""
        if any(type(event) in _GRANTING for event in events):
            self._known = None

    def _check(self, permission: Permission, bound: Bound) -> None:
        facts: Mapping[str, Any] = {}
        named: str | None = None
        path, new_path = bound.wishes.get("path", "/"), bound.wishes.get("new_path")
        for one in (path, new_path or "/"):
            constraints.PATH.check(str(one))  # what is no path is no part of an ARN, and of no record
        if isinstance(permission.on, str):
            noun, reference = bound.nouns[permission.on], bound.references[permission.on]
            arn, facts = self._resource(noun, reference, path)
            named = _named(self._account_id, noun, reference, path)
        else:
            try:
                bound.resolve_names(self._past)
            except NoSuchEntity:
                return  # the permissions on what was named come first, and it is not there: that is told next
            self._look_at(bound.second_query())
            told = permission.on(self._account_id, bound.known(self._past))
            if told is None:
                return
            arn = told
        self._decide(permission.action, arn, {**facts, **_keys(permission, bound)}, named)

    def _resource(self, noun: type[Noun], reference: str, path: str = "/") -> tuple[str, Mapping[str, Any]]:
        """The ARN of what is called so, and the context keys that go with it.

        Who names what is not there learns that only if it might do it to what would be called so.
        """
        if issubclass(noun, Name):
            return noun.arn_of(self._account_id, reference, path), {}
        subject = reference
        if issubclass(noun, Named):
            name = self._fold(noun.named_by, reference)
            if name.holder is None:
                return name.resource_arn(self._account_id), {}
            subject = name.holder
        owner = self._fold(noun, subject).belongs_to()
        if owner is None:
            return "*", {}
        kind, id_ = owner
        return self._fold(kind, id_).resource_arn(self._account_id), self._facts(kind, id_)

    def _facts(self, kind: type[Noun], id_: str) -> dict[str, Any]:
        if kind is not User:
            return {}
        tags, boundary = self._fold(UserTags, id_).tags, self._fold(UserPermissionsBoundary, id_)
        return facts_of_user(dict(tags), boundary.policy_arn if boundary.policy_id else None)

    def _decide(self, action: str, arn: str, facts: Mapping[str, Any], named: str | None) -> None:
        caller, policies = self._caller()
        context: dict[str, Any] = {
            **known_of_requests(self._now, self._account_id),
            "aws:RequestedRegion": REGION,
            **({"aws:SourceIp": self._source_address} if self._source_address else {}),
            **facts,
        }
        request = Request(caller, action, arn, None, context)
        governing = self._resource_policy(arn)
        if governing is not None:
            policies = policies.beside(governing)
        if not policies.decide(request):
            raise self._denied(policies, request, named or arn)

    def _resource_policy(self, arn: str) -> Policy | None:
        """The policy that governs a registered resource: its own, or that of the nearest in which it lies."""
        candidates = [] if arn.startswith(_OF_LEDGER) else governing_arns(arn)
        self._look_at(query_of((ResourcePolicy, one) for one in candidates))
        for one in candidates:
            held = self._past.fold(ResourcePolicy, one)
            if held.document is not None:
                return Policy(held.label, _parsed(held.label, held.document, Kind.RESOURCE))
        return None

    def _denied(self, policies: CompiledPolicies, request: Request, named: str) -> AccessDenied:
        """The refusal tells what the caller named, and the kind of policy; the event, which needs a permission, the rest."""
        explanation = policies.explain(request)
        outcome, layer = explanation.decision.outcome, explanation.decision.layer
        denying = [source for source in explanation.matched if source.effect == "Deny"]
        told = f"User: {self._principal.arn} is not authorized to perform: {request.action} on resource: {named}"
        if outcome is Outcome.EXPLICIT_DENY:
            denied = AccessDenied(f"{told} with an explicit deny in {_a(layer)}")
        else:
            denied = AccessDenied(f"{told} because no {layer.value} allows the {request.action} action")
        denied.attempt = RequestDenied(
            user_id=self._principal.unique_id,
            action=request.action,
            resource_arn=request.resource,
            outcome=outcome.value,
            decided_by=layer.value,
            statements=[
                {"policy": source.label, "statement": source.index + 1, "sid": source.sid} for source in denying
            ],
        )
        return denied

    def _caller(self) -> tuple[Caller, CompiledPolicies]:
        if self._known is None:
            if self._principal.is_root:
                self._known = root_as_caller(self._account_id), compiled((), None)
            else:
                self._known = self._user()
        return self._known

    def _user(self) -> tuple[Caller, CompiledPolicies]:
        """The caller and its policies. Raises InvalidClientTokenId if it is gone, or its key is not usable any more."""
        user_id = self._principal.unique_id
        self._look_at(caller_query(self._principal))
        if not self._past.fold(UserExistence, user_id).exists:
            raise InvalidClientTokenId(f"The user with id {user_id} is gone.")
        if self._principal.access_key_id is not None:
            check_key(self._past.fold(AccessKey, self._principal.access_key_id), user_id, self._now)
        user = self._past.fold(User, user_id)
        groups = sorted(self._past.fold(UserGroups, user_id).groups)
        self._look_at(query_of((noun, group_id) for group_id in groups for noun in _OF_GROUPS))
        boundary = self._past.fold(UserPermissionsBoundary, user_id).policy_id
        attached = {
            *self._past.fold(UserAttachedPolicies, user_id).attached,
            *(id_ for group_id in groups for id_ in self._past.fold(GroupAttachedPolicies, group_id).attached),
        }
        managed = sorted(attached | ({boundary} if boundary else set()))
        self._look_at(query_of((noun, policy_id) for policy_id in managed for noun in _OF_POLICIES))
        identity = [*map(self._managed, sorted(attached)), *self._inline(user, groups)]
        tags = dict(self._past.fold(UserTags, user_id).tags)
        caller = user_as_caller(user.resource_arn(self._account_id), user_id, user.user_name, tags)
        return caller, compiled(tuple(identity), self._managed(boundary) if boundary else None)

    def _managed(self, policy_id: str) -> Text:
        versions = self._past.fold(PolicyVersions, policy_id)
        arn = self._past.fold(ManagedPolicy, policy_id).arn
        if versions.default not in versions.documents:
            raise InvalidInput(f"Policy {arn or policy_id} has no version in force, so nothing can be decided by it.")
        return f"{arn} {versions.default}", versions.documents[versions.default]

    def _inline(self, user: User, groups: Iterable[str]) -> Iterator[Text]:
        for name, document in sorted(self._past.fold(UserInlinePolicies, user.id).documents.items()):
            yield f"inline policy {name} of user {user.user_name}", document
        for group_id in groups:
            group_name = self._past.fold(Group, group_id).group_name
            for name, document in sorted(self._past.fold(GroupInlinePolicies, group_id).documents.items()):
                yield f"inline policy {name} of group {group_name}", document

    def _fold(self, noun: type[Any], subject: str) -> Any:
        self._look_at(query_of([(noun, subject)]))
        return self._past.fold(noun, subject)

    def _look_at(self, query: Sequence[Match]) -> None:
        if query:
            self._see(query)


def check_key(key: AccessKey, user_id: str | None, now: datetime) -> None:
    """Raise InvalidClientTokenId unless a key is the user's (or anybody's), active, and its grace has not ended."""
    theirs = key.user_id is not None and user_id in (None, key.user_id)
    if not theirs or not key.active or (key.usable_until is not None and key.usable_until <= now):
        raise InvalidClientTokenId("The security token included in the request is invalid.")


@lru_cache(maxsize=256)
def compiled(identity: tuple[Text, ...], boundary: Text | None) -> CompiledPolicies:
    """Policies, compiled once. Raises InvalidInput for a document that cannot be read."""
    return compile_policies(
        PolicySet(
            identity=tuple(Policy(label, _parsed(label, text)) for label, text in identity),
            boundary=Policy(boundary[0], _parsed(*boundary)) if boundary else None,
        )
    )


@lru_cache(maxsize=1024)
def _parsed(label: str, text: str, kind: Kind = Kind.IDENTITY) -> PolicyDocument:
    try:
        return parse(text, kind)
    except PolicyError as error:
        raise InvalidInput(f"{label} cannot be read, so nothing can be decided by it: {error}") from None


def _named(account_id: str, noun: type[Noun], reference: str, path: str) -> str:
    """What the caller named, without what it may not know of it: an ARN at the path `/`, or the id of a key."""
    if issubclass(noun, Name):
        return noun.arn_of(account_id, reference, path)
    return noun.named_by.arn_of(account_id, reference, "/") if issubclass(noun, Named) else reference


def _a(layer: Layer) -> str:
    return f"{'an' if layer is Layer.IDENTITY else 'a'} {layer.value}"


def _keys(permission: Permission, bound: Bound) -> dict[str, Any]:
    """The context keys that a decision's arguments tell."""
    facts: dict[str, Any] = {}
    for key, parameter in permission.keys.items():
        if parameter in bound.references:
            facts[key] = bound.references[parameter]
        elif key == "aws:RequestTag":
            tags = dict(bound.wishes.get(parameter) or ())
            facts |= {f"{key}/{tag}": value for tag, value in tags.items()}
            if tags:
                facts["aws:TagKeys"] = list(tags)
        else:
            facts[key] = bound.wishes[parameter]
    return facts
