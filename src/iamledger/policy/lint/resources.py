"""Whether the resources of a statement are such that its actions are about.

An action is about some types of resources, or about none, and then it is allowed on `*` alone, except for what AWS documents
with every bucket. Nothing is said where an action is unknown, or where all are meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from iamledger.policy.json_places import Value
from iamledger.policy.lint.arn_forms import service_of
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.known import Known, Meaning
from iamledger.policy.lint.written import WrittenStatement
from iamledger.policy.patterns import Pattern
from iamledger.policy.services import Action, Service
from iamledger.policy.words import listed, quote

ON_EVERY_BUCKET = ("s3", "listallmybuckets")
"""The action without resource types that "Controlling access to a bucket with user policies" of the S3 guide, and home
folders in the IAM guide, allow on `arn:aws:s3:::*`.
"""
_EVERY_BUCKET = re.compile(r"arn:[^:]+:s3:::\*+")
SHOWN = 4
"""So many resource types are named."""


class _Named(NamedTuple):
    """A pattern of actions where it stands, and what it means."""

    pattern: Pattern
    node: Value
    meaning: Meaning


def check_resources(written: WrittenStatement, known: Known, findings: Findings) -> None:
    """Resources that are none, that no action is about, and actions that are about none of them."""
    resources = list(written.resources())
    if not resources:
        return
    meanings = [(pattern, node, known.meaning(pattern)) for pattern, node in written.actions()]
    named = [_Named(pattern, node, meaning) for pattern, node, meaning in meanings if meaning and meaning.names]
    if written.statement.not_action or len(named) < len(meanings):
        for pattern, node in resources:
            _check_exists(pattern, node, known, findings)
        return
    check = _Check(named, known)
    useless = [(pattern, node) for pattern, node in resources if not check.look_at(pattern)]
    for pattern, node in useless:
        if not _check_exists(pattern, node, known, findings):
            message = f"no action of the statement is about resources like {quote(pattern.text)}"
            findings.add("unsupported-resource", node, message, check.about())
    if len(useless) < len(resources) and written.statement.resource:
        for one in named:
            if not check.fits(one.meaning):
                what = "is" if one.pattern.literal is not None else "means actions that are"
                message = f"{quote(one.pattern.text)} {what} about none of the statement's resources"
                findings.add("unsupported-action", one.node, message, _about(_actions([one.meaning])))


def _check_exists(pattern: Pattern, node: Value, known: Known, findings: Findings) -> bool:
    """Whether it was found that no resource type of an ARN's own service is like a pattern."""
    service = known.service(service_of(pattern)) if pattern.text != "*" else None
    if service is None or not service.resource_types or known.forms(service).fitting(pattern):
        return False
    types = [type_.name for type_ in service.resource_types.values()]
    findings.add(
        "unknown-resource",
        node,
        f"no resource of {service.prefix} has an ARN like {quote(pattern.text)}",
        f"see: iamledger service show {service.prefix} --resources" if len(types) > SHOWN else _forms(service),
    )
    return True


class _Check:
    """Which actions of a statement are about some of its resources, of those that were looked at."""

    def __init__(self, named: Collection[_Named], known: Known) -> None:
        self._named, self._known = named, known
        self._everything = False
        self._buckets = False
        self._actions = _actions([one.meaning for one in named])
        self._by_arns: dict[str | None, list[Service]] = defaultdict(list)
        for service in {one.meaning.service.prefix: one.meaning.service for one in named}.values():
            for its in known.forms(service).services or [None]:
                self._by_arns[its].append(service)
        self._types = {
            prefix: {resource.type.lower() for action in actions for resource in action.resources}
            for prefix, actions in self._actions.items()
        }
        self._found: dict[str, set[str]] = defaultdict(set)

    def look_at(self, pattern: Pattern) -> bool:
        """Whether some action is about a resource."""
        if pattern.text == "*":
            self._everything = True
            return True
        found = False
        for service in [*self._by_arns[service_of(pattern)], *self._by_arns[None]]:
            prefix = service.prefix
            types = self._known.forms(service).fitting(pattern) & self._types[prefix]
            self._found[prefix] |= types
            found = found or bool(types)
        if _EVERY_BUCKET.fullmatch(pattern.text):
            self._buckets = True
            found = found or any(_on_every_bucket(one.meaning) for one in self._named)
        return found

    def fits(self, meaning: Meaning) -> bool:
        """Whether one of the actions is about a resource that was looked at."""
        if self._everything or (self._buckets and _on_every_bucket(meaning)):
            return True
        found = self._found[meaning.service.prefix]
        actions = meaning.service.actions
        return any(resource.type.lower() in found for name in meaning.names for resource in actions[name].resources)

    def about(self) -> str:
        """What the actions are about."""
        return _about(self._actions)


def _on_every_bucket(meaning: Meaning) -> bool:
    prefix, name = ON_EVERY_BUCKET
    return meaning.service.prefix == prefix and name in meaning.names


def _actions(meanings: Collection[Meaning]) -> dict[str, list[Action]]:
    """The actions of all meanings, by the prefix of their service."""
    names: dict[str, set[str]] = defaultdict(set)
    services = {meaning.service.prefix: meaning.service for meaning in meanings}
    for meaning in meanings:
        names[meaning.service.prefix].update(meaning.names)
    return {prefix: [services[prefix].actions[name] for name in sorted(found)] for prefix, found in names.items()}


def _about(actions: dict[str, list[Action]]) -> str:
    """Which types of resources actions are about, as advice."""
    types = {resource.type: None for some in actions.values() for action in some for resource in action.resources}
    if not types:
        return 'write "*", which is all that they can be allowed on'
    shown = [*list(types)[:SHOWN], *(["others"] if len(types) > SHOWN else [])]
    return f"resources here can be of the type {listed(shown)}"


def _forms(service: Service) -> str:
    return f"write {listed([arn for type_ in service.resource_types.values() for arn in type_.arns])}"
