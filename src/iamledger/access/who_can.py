"""Who may do an action to a resource: everybody who is allowed, with every way in which they are.

It goes from the policies outward: which of all in force have statements about the action and the resource (most are not even
read), who holds them, and only of those, whether they are allowed, their own and their groups' Denies and their boundary
included. Who holds none of them is allowed nothing but by the resource's policy.

Somebody is `CONDITIONAL` if the request as it was asked is denied, but only for keys that it does not have: conditions (or
variables) on such keys let an Allow match, or a Deny not match, if the keys have the right values. Whether several such
conditions can hold at the same time is not looked at. A key about the caller is never one of them: that alice has no tag
`team` is known.

Of whoever is told, it is told too with which values of such keys a Deny would match that does not now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from iamledger.access.compiled import NOTHING, Access
from iamledger.access.grants import Grants, HeldPolicy, Holding, How, User
from iamledger.access.matching import Asked, asked_of, asked_of_resource, would_deny
from iamledger.access.questions import ROOT, Question
from iamledger.access.statements import COLUMNS, Row, condition_text, order, row_of
from iamledger.policy import Grant, Kind, Request, Source
from iamledger.policy.combining import combine
from iamledger.policy.substitution import Facts
from iamledger.principals import known_of_requests, root_as_caller

ALLOWED, CONDITIONAL = "ALLOWED", "CONDITIONAL"


class Way(NamedTuple):
    """A statement that allows it, how the user has it, and what of it must hold that is not known."""

    source: Source
    held: Holding | None
    hangs_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who is allowed, or would be. `hangs_on` is what must hold beside what each way hangs on.

    The root has no `user`, and needs no ways. `put` is how the resource got its policy.
    """

    user: User | None
    access: str
    ways: tuple[Way, ...]
    hangs_on: tuple[str, ...] = ()
    put: How | None = None

    def rows(self, account_id: str) -> list[Row]:
        """A row for each way, or one row without a statement."""
        arn = self.user.arn if self.user else f"arn:aws:iam::{account_id}:root"
        named = {"UserName": self.user.name if self.user else ROOT, "Arn": arn, "Access": self.access}
        rows = [
            {
                **row_of(way.source, way.held, self.put),
                "Conditions": _conditions(way.source),
                "If": [*way.hangs_on, *self.hangs_on],
            }
            for way in self.ways
        ]
        return [{**named, **row} for row in sorted(rows, key=order)] or [
            {**named, **dict.fromkeys(COLUMNS), "Conditions": [], "If": list(self.hangs_on)}
        ]


def who_can(access: Access, question: Question, time: datetime) -> list[Who]:
    """All who are allowed, or CONDITIONAL, at a time: the root first, then users by name. Raises UnreadablePolicy."""
    grants = access.grants
    found = list(_root(grants.account_id, question, time))
    search = _Search(grants, question, time)
    users = sorted((grants.users[id_] for id_ in search.candidates()), key=lambda user: (user.name.lower(), user.id))
    return found + [who for user in users if (who := search.of(user))]


def _root(account_id: str, question: Question, time: datetime) -> Iterator[Who]:
    policies = NOTHING if question.resource_policy is None else NOTHING.beside(question.resource_policy)
    told = policies.explain(question.request(root_as_caller(account_id), account_id, time))
    if told.decision:
        unless = tuple(_unless(asked) for _, asked in would_deny(told))
        yield Who(None, ALLOWED, tuple(Way(source, None) for source in told.matched), unless, question.put)


class _Search:
    """The statements about one question, and what they say of users."""

    def __init__(self, grants: Grants, question: Question, time: datetime) -> None:
        self.grants = grants
        given = {key.lower() for key, value in question.context.items() if value not in ([], ())}
        given |= {key.lower() for key in known_of_requests(time, grants.account_id)}
        policies = {policy.label: policy for held in grants.granted.values() for policy, _ in held}
        policies |= {policy.label: policy for policy, _ in grants.boundaries.values()}
        about = question.action, question.resource, given
        self.statements = asked_of(policies.values(), *about)
        policy, self.put = question.resource_policy, question.put
        self.of_resource = asked_of_resource(policy, *about) if policy else []
        self.trust = policy is not None and policy.document.kind is Kind.TRUST
        self.held = {id_: held for id_, granted in grants.granted.items() if (held := list(self._held(granted)))}
        """What users and groups have of the statements, by id."""
        self.request = question.request(root_as_caller(grants.account_id), grants.account_id, time)

    def _held(self, granted: Iterable[tuple[HeldPolicy, How]]) -> Iterator[tuple[Asked, HeldPolicy, How]]:
        for policy, how in granted:
            for asked in self.statements.get(policy.label, ()):
                yield asked, policy, how

    def candidates(self) -> Iterable[str]:
        """The ids of all users who could be allowed."""
        if any(asked.source.effect == "Allow" for asked in self.of_resource):
            return self.grants.users
        found: dict[str, None] = {}
        for id_, held in self.held.items():
            if any(asked.source.effect == "Allow" for asked, _, _ in held):
                found.update(dict.fromkeys([id_] if id_ in self.grants.users else self.grants.members.get(id_, ())))
        return found

    def of(self, user: User) -> Who | None:
        """What a user may do, or None."""
        grants = self.grants
        own = [(asked, Holding(policy, how)) for asked, policy, how in self.held.get(user.id, ())]
        for group_id, joined in grants.groups_of.get(user.id, ()):
            group = grants.groups.get(group_id)
            own += [(asked, Holding(policy, how, group, joined)) for asked, policy, how in self.held.get(group_id, ())]
        bound = grants.boundaries.get(user.id)
        said = _Said(
            self.request._replace(caller=grants.caller(user.id)),
            own,
            self.statements.get(bound[0].label, []) if bound else None,
            self.of_resource,
            self.trust,
        )
        if said.allowed(could=False):
            return Who(user, ALLOWED, tuple(said.ways(could=False)), tuple(said.unless()), self.put)
        if said.allowed(could=True):
            hangs_on = (*said.hangs_on(), *said.unless())
            return Who(user, CONDITIONAL, tuple(said.ways(could=True)), hangs_on, self.put)
        return None


class _Said:
    """What the statements about a question say of one user's request."""

    def __init__(
        self,
        request: Request,
        own: list[tuple[Asked, Holding]],
        bounds: list[Asked] | None,
        of_resource: list[Asked],
        trust: bool,
    ) -> None:
        self.request, self.own, self.bounds, self.trust = request, own, bounds, trust
        self.of_resource = [asked for asked in of_resource if self._is_about_caller(asked.source)]
        self.known: list[Facts] = []

    def allowed(self, *, could: bool) -> bool:
        """Whether the request is allowed; or could be, if the keys that it does not have had the right values."""
        own, bounds = [asked for asked, _ in self.own], self.bounds or []
        if any(self._says(asked, could) for asked in self._denies()):
            return False
        return bool(
            combine(
                max(map(self._grant, self._allowing(self.of_resource, could)), default=Grant.NONE),
                any(self._allowing(own, could)),
                self.bounds is None or any(self._allowing(bounds, could)),
                True,
                self._same_account,
                self.trust,
            )
        )

    def ways(self, *, could: bool) -> Iterator[Way]:
        """The statements that allow it: the user's, and those of the resource that do more than to leave it to them."""
        held = [(asked, holding) for asked, holding in self.own if asked.source.effect == "Allow"]
        direct = [
            (asked, None)
            for asked in self.of_resource
            if asked.source.effect == "Allow"
            and (not self._same_account or self.trust or self._grant(asked) >= Grant.PASSES_IDENTITY)
        ]
        for asked, holding in (*held, *direct):
            if self._says(asked, False):
                yield Way(asked.source, holding)
            elif could and self._says(asked, True):
                yield Way(asked.source, holding, asked.hangs_on)

    def hangs_on(self) -> Iterator[str]:
        """What must hold beside the conditions of the ways: the boundary's, and that no Deny matches."""
        bounds = self.bounds
        if bounds is not None and not any(self._allowing(bounds, False)):
            yield " or ".join(" and ".join(asked.hangs_on) for asked in self._allowing(bounds, True))
        for asked in self._denies():
            if self._says(asked, False):
                yield f"not ({' and '.join(asked.hangs_on)})"

    def unless(self) -> Iterator[str]:
        """With what a Deny would match that does not now."""
        for asked in self._denies():
            if asked.hangs_on and not self._says(asked, False) and asked.might(self.request, self.known):
                yield _unless(asked)

    def _denies(self) -> Iterable[Asked]:
        every = (*(asked for asked, _ in self.own), *(self.bounds or ()), *self.of_resource)
        return dict.fromkeys(asked for asked in every if asked.source.effect == "Deny")

    @property
    def _same_account(self) -> bool:
        return self.request.resource_account in (None, self.request.caller.account)

    def _says(self, asked: Asked, could: bool) -> bool:
        return (asked.could if could else asked.matches)(self.request, self.known)

    def _allowing(self, statements: Iterable[Asked], could: bool) -> Iterator[Asked]:
        return (asked for asked in statements if asked.source.effect == "Allow" and self._says(asked, could))

    def _grant(self, asked: Asked) -> Grant:
        return asked.source.grant(self.request.caller)

    def _is_about_caller(self, source: Source) -> bool:
        if source.effect == "Deny":
            return source.denies(self.request.caller, bounded=self.bounds is not None)
        return source.grant(self.request.caller) > Grant.NONE


def _unless(asked: Asked) -> str:
    return f"unless {' and '.join(asked.hangs_on)}"


def _conditions(source: Source) -> list[str]:
    return [condition_text(condition) for condition in source.statement.conditions]
