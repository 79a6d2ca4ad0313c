"""Policies and requests to decide on, the same for all engines: one user, three groups, four policies.

Requests are allowed and denied in turn: for the lack of an action, or of a resource. They are about a hundred resources, and
each has a context of its own. They come as plain values, and a request is made of them while the clock runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from iamledger.policy import Caller, CompiledPolicies, Policy, PolicySet, compile_policies, parse

GROUPS = ("readers", "writers", "auditors")
HOLDERS = ("alice", *GROUPS)
ALICE = Caller.of("arn:aws:iam::111122223333:user/alice")
RESOURCES = 100

Statement = dict[str, Any]
Asked = tuple[str, str, Mapping[str, Any]]
"""An action, a resource and a context."""


@dataclass(frozen=True)
class Load:
    """`statements` in order, and the n-th request."""

    name: str
    statements: Sequence[Statement]
    ask: Callable[[int], Asked]

    @cached_property
    def documents(self) -> dict[str, str]:
        """The policy of each of the four holders."""
        return {
            holder: json.dumps({"Version": "2012-10-17", "Statement": list(self.statements[n :: len(HOLDERS)])})
            for n, holder in enumerate(HOLDERS)
        }

    @cached_property
    def compiled(self) -> CompiledPolicies:
        """The policies, compiled."""
        policies = tuple(Policy(holder, parse(document)) for holder, document in self.documents.items())
        return compile_policies(PolicySet(identity=policies))

    def requests(self, count: int) -> list[Asked]:
        """So many, no two of them alike."""
        return [self.ask(n) for n in range(count)]


def plain(size: int) -> Load:
    """Each statement is about the objects of one bucket."""
    statements = [_allow("s3:GetObject", f"arn:aws:s3:::bucket-{n}/*") for n in range(size)]
    return Load("no conditions", statements, _about("arn:aws:s3:::bucket-{}/report", size))


def colliding(size: int) -> Load:
    """All patterns begin alike, and have the same action."""
    statements = [_allow("s3:GetObject", f"arn:aws:s3:::*/team-{n}/*") for n in range(size)]
    return Load("patterns that begin alike", statements, _about("arn:aws:s3:::b/team-{}/x", size))


def wordless(size: int) -> Load:
    """All patterns begin alike, have the same action and no word to tell them apart by: the worst that there is."""
    statements = [_allow("s3:GetObject", f"arn:aws:s3:::*x{n}y*") for n in range(size)]
    return Load("patterns with nothing to go by", statements, _about("arn:aws:s3:::bx{}yz", size))


def everywhere(size: int) -> Load:
    """Each statement is about every resource."""
    statements = [_allow(f"service{n % 20}:Get{n}", "*") for n in range(size)]

    def ask(n: int) -> Asked:
        which = _which(n, size)
        action = ("Get{}", "Put{}", "Get{}", "Get{}x")[n % 4].format(which)
        return f"service{which % 20}:{action}", f"arn:aws:service{which % 20}:::thing-{which}", _context(n)

    return Load('Resource "*"', statements, ask)


def conditional(size: int) -> Load:
    """As without conditions, but every second statement has two, and a variable in its resource."""
    conditions = {"StringLike": {"aws:PrincipalTag/team": ["blue*", "red"]}, "Bool": {"aws:SecureTransport": "true"}}
    statements = [
        _allow("s3:GetObject", f"arn:aws:s3:::bucket-{n}/*")
        if n % 2
        else _allow("s3:GetObject", f"arn:aws:s3:::bucket-{n}/${{aws:username}}/*") | {"Condition": conditions}
        for n in range(size)
    ]
    return Load("conditions and variables", statements, _about("arn:aws:s3:::bucket-{}/alice/x", size))


def _allow(action: str, resource: str) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def _which(n: int, size: int) -> int:
    """Which statement a request is about, of a hundred that are spread over all."""
    return (n // 2 % RESOURCES) * max(1, size // RESOURCES) % size + n // 2 % RESOURCES % max(1, size // RESOURCES)


def _about(resource: str, size: int) -> Callable[[int], Asked]:
    """Requests for a resource with the number of a statement in it."""

    def ask(n: int) -> Asked:
        which = _which(n, size)
        action = "s3:DeleteObject" if n % 4 == 1 else "s3:GetObject"
        return action, resource.format(f"none-{which}" if n % 4 == 3 else which), _context(n)

    return ask


def _context(n: int) -> Mapping[str, Any]:
    return {
        "aws:username": "alice",
        "aws:SourceIp": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}",
        "aws:PrincipalTag/team": "blue-2",
        "aws:SecureTransport": "true",
        "aws:CurrentTime": "2026-11-24T09:30:00Z",
    }
