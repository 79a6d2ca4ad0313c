"""Users who could give themselves permissions that they lack, and how: alone, or by acting as others who could.

Every technique (`techniques.py`) is decided by the policy engine, boundary and Denies included, on what there is in the
account: the user itself, its groups and policies, other groups and users. Of roles nothing is known here: a technique with
roles is taken to be open if a role that its statements name would do. Administrators lack nothing, and are told apart.

Of the targets of a technique one is told: an administrator or a group of administrators, or else somebody who could
escalate in turn, or else whoever has a policy that the user has not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from iamledger.access.attempts import Abilities, Allowed
from iamledger.access.escalation_paths import ADMINISTRATOR, Escalations, Path, Step
from iamledger.access.grants import Grants, UnreadablePolicy, User
from iamledger.access.permissions import is_administrator
from iamledger.access.techniques import TECHNIQUES, Target, Technique
from iamledger.policy import Caller, PolicySet, compile_policies
from iamledger.policy.comparing.automata import Glob, Joint
from iamledger.policy.entries import action_test

if TYPE_CHECKING:
    from iamledger.engine.view import View

_ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
_AS_OTHERS = tuple(technique for technique in TECHNIQUES if technique.target is Target.OTHER_USERS)
MOST_TRIED = 200
"""On so many other users a technique is tried out."""


def numbers_of_versions(view: View) -> dict[str, int]:
    """How many versions each managed policy has, by its ARN."""
    rows = view.rows(
        "SELECT p.arn, count(*) AS versions FROM {managed_policies} p JOIN {policy_versions} v USING (policy_id)"
        " GROUP BY p.arn"
    )
    return {row["arn"]: row["versions"] for row in rows}


def escalations(grants: Grants, versions: Mapping[str, int], user_id: str | None = None) -> Escalations:
    """Those of all users, by name, or of one. `versions` has the number of versions of policies by their ARNs."""
    return _Search(grants, versions).found(user_id)


class _Search:
    def __init__(self, grants: Grants, versions: Mapping[str, int]) -> None:
        self._grants, self._versions = grants, versions
        self._reach: dict[str, frozenset[str]] = {}
        self._labels = {user_id: self._held(user_id) for user_id in grants.users}
        self._powerful_groups: dict[str, bool] = {}
        self._administrators: dict[str, User] = {}
        self._direct: dict[str, list[Step]] = {}
        self._able: dict[str, Abilities] = {}
        self._named: dict[str, list[str]] = defaultdict(list)
        for user in grants.users.values():
            self._named[user.name].append(user.id)
        self._matched: dict[Glob, list[str]] = {}
        self._found = Escalations()

    def found(self, user_id: str | None) -> Escalations:
        """The answer. Who others could become hangs on them, so all are looked at."""
        users = sorted(self._grants.users.values(), key=lambda user: (user.name.lower(), user.id))
        for user in users:
            self._look_at(user)
        onward = self._onward()
        for user in users:
            if user_id is not None and user.id != user_id:
                continue
            if user.id in self._administrators:
                self._found.administrators.append(user)
            for step in (*self._direct.get(user.id, ()), *self._as_others(user, onward)):
                self._found.paths.append(Path(tuple(self._chain(step, onward))))
        return self._found

    def _look_at(self, user: User) -> None:
        reach = self._reach_of(user.id)
        if not reach:
            return
        try:
            able = Abilities(self._grants, user)
        except UnreadablePolicy as error:
            self._found.untold.append(f"{user.name}: {error}")
            return
        if "*" in reach and is_administrator(able.compiled, able.caller):
            self._administrators[user.id] = user
            return
        self._able[user.id] = able
        techniques = [one for one in TECHNIQUES if one.action in reach and reach.issuperset(one.also)]
        steps = (self._step(able, one) for one in techniques if one.target is not Target.OTHER_USERS)
        self._direct[user.id] = [step for step in steps if step]

    def _reach_of(self, user_id: str) -> frozenset[str]:
        return frozenset[str]().union(*(self._actions(label) for label in self._labels[user_id]))

    def _held(self, user_id: str) -> frozenset[str]:
        return frozenset(holding.policy.label for holding in self._grants.holdings(user_id))

    def _actions(self, label: str) -> frozenset[str]:
        """The actions of techniques that a policy may allow, and `*` if it may allow whatever there is."""
        if label not in self._reach:
            every = {one for technique in TECHNIQUES for one in (technique.action, *technique.also)}
            policy = self._grants.policies.get(label)
            found: set[str] = set()
            try:
                statements = policy.document.statements if policy else ()
            except UnreadablePolicy:
                return frozenset(every)  # whoever has it is told as unreadable
            for statement in (one for one in statements if one.effect == "Allow"):
                test = action_test(statement)
                found |= {action for action in every if test is None or test(action.lower())}
                found |= {"*"} if test is None or test("example:anything") else set()
            self._reach[label] = frozenset(found)
        return self._reach[label]

    def _step(self, able: Abilities, technique: Technique) -> Step | None:
        """The first target of a technique that a user may reach."""
        for target, named, leads_to in self._targets(able, technique):
            if allowed := self._allowed(able, technique, target):
                return Step(able.user, technique, named, allowed, leads_to)
        return None

    def _allowed(self, able: Abilities, technique: Technique, target: str) -> tuple[Allowed, ...]:
        """Why a technique is allowed on a target; nothing if it is not."""
        context = {"iam:policyarn": _ADMINISTRATOR_ACCESS}
        first = able.attempt(technique.action, target, context) or able.attempt(technique.action, target)
        others = [
            next(filter(None, (able.attempt(action, resource) for resource in able.likely(action))), None)
            for action in technique.also
        ]
        every = (first, *others)
        return tuple(one for one in every if one) if all(every) else ()

    def _targets(self, able: Abilities, technique: Technique) -> Iterator[tuple[str, str, str]]:
        """The ARNs of the targets of a technique, how each is called, and what it leads to; the most powerful first."""
        grants, user = self._grants, able.user
        bound = grants.boundaries.get(user.id)
        freely = f"any policy, within the boundary {bound[0].name}" if bound else ADMINISTRATOR
        match technique.target:
            case Target.OWN_USER:
                yield user.arn, user.name, freely
            case Target.OWN_BOUNDARY if bound:
                yield user.arn, bound[0].name, "all that its policies grant"
            case Target.OWN_GROUPS:
                for group_id, _ in grants.groups_of.get(user.id, ()):
                    if group := grants.groups.get(group_id):
                        yield group.arn, group.name, freely
            case Target.OWN_POLICIES:
                yield from self._own_policies(user, technique, freely)
            case Target.OTHER_GROUPS:
                yield from self._other_groups(user, able.caller)
            case Target.ROLES:
                for resource in able.likely(technique.action):
                    yield resource, resource, "what the role may do"
            case Target.ROLE_POLICIES:
                for resource in able.likely(technique.action):
                    yield resource, resource, ADMINISTRATOR

    def _own_policies(self, user: User, technique: Technique, freely: str) -> Iterator[tuple[str, str, str]]:
        switched = technique.action == "iam:SetDefaultPolicyVersion"
        for holding in self._grants.holdings(user.id):
            policy = holding.policy
            if policy.type == "Customer managed" and policy.arn:
                if not switched:
                    yield policy.arn, policy.name, freely
                elif self._versions.get(policy.arn, 1) > 1:
                    yield policy.arn, policy.name, "what another version of it allows"

    def _other_groups(self, user: User, caller: Caller) -> Iterator[tuple[str, str, str]]:
        mine = {group_id for group_id, _ in self._grants.groups_of.get(user.id, ())}
        found = []
        for group in self._grants.groups.values():
            labels = {policy.label for policy, _ in self._grants.granted.get(group.id, ())}
            if group.id not in mine and not labels <= self._labels[user.id]:
                found.append((not self._is_powerful(group.id, caller), group.name.lower(), group))
        for weak, _, group in sorted(found, key=lambda one: one[:2]):
            yield group.arn, group.name, "policies of the group" if weak else ADMINISTRATOR

    def _is_powerful(self, group_id: str, caller: Caller) -> bool:
        if group_id not in self._powerful_groups:
            held = [policy for policy, _ in self._grants.granted.get(group_id, ())]
            wide = any("*" in self._actions(policy.label) for policy in held)
            self._powerful_groups[group_id] = wide and is_administrator(
                compile_policies(PolicySet(tuple(policy.policy for policy in held))), caller
            )
        return self._powerful_groups[group_id]

    def _onward(self) -> dict[str, Step]:
        """For users who could become others, or escalate alone, the step with which they do best."""
        onward: dict[str, Step] = {}
        for user_id, steps in self._direct.items():
            if steps:
                onward[user_id] = min(steps, key=lambda one: (one.leads_to != ADMINISTRATOR, one.condition is not None))
        powerful = {*self._administrators, *onward}
        while powerful:
            reached = set()
            for user_id, able in self._able.items():
                if user_id not in onward and (step := self._becoming(able, powerful)):
                    onward[user_id] = step
                    reached.add(user_id)
            powerful = reached
        return onward

    def _becoming(self, able: Abilities, powerful: Collection[str]) -> Step | None:
        for technique in _AS_OTHERS:
            others = [one for one in self._reachable(able, technique) if one in powerful]
            if step := self._becoming_one(able, technique, others):
                return step
        return None

    def _reachable(self, able: Abilities, technique: Technique) -> list[str]:
        """Other users, on whom a technique may be allowed."""
        if technique.action not in self._reach_of(able.user.id):
            return []
        found: dict[str, None] = {}
        for glob in able.patterns(technique.action):
            found.update(dict.fromkeys(self._matching(glob)))
        found.pop(able.user.id, None)
        return list(found)

    def _matching(self, glob: Glob) -> list[str]:
        """The users whose ARNs a pattern matches. One that ends with a name, as most do, is about users of that name."""
        if glob not in self._matched:
            plain = takewhile(lambda part: isinstance(part, str), (part for part, _ in reversed(glob)))
            _, slash, name = "".join(reversed([str(part) for part in plain])).rpartition("/")
            users = self._named.get(name, ()) if slash else self._grants.users
            joint = Joint([glob])
            self._matched[glob] = [one for one in users if joint.matching(self._grants.users[one].arn)]
        return self._matched[glob]

    def _becoming_one(self, able: Abilities, technique: Technique, others: Sequence[str]) -> Step | None:
        """The step with which somebody becomes the first of others that it may."""
        for user_id in others[:MOST_TRIED]:
            user = self._grants.users[user_id]
            if allowed := self._allowed(able, technique, user.arn):
                leads_to = ADMINISTRATOR if user_id in self._administrators else f"policies of {user.name}"
                return Step(able.user, technique, user.name, allowed, leads_to, user_id)
        if len(others) > MOST_TRIED:
            self._found.untold.append(
                f"{able.user.name}: whether {technique.action} is allowed on more than {MOST_TRIED} other users"
            )
        return None

    def _as_others(self, user: User, onward: Mapping[str, Step]) -> Iterator[Step]:
        able = self._able.get(user.id)
        for technique in _AS_OTHERS if able else ():
            assert able is not None
            ranked = sorted(
                (rank, other)
                for other in self._reachable(able, technique)
                if (rank := self._rank(other, user.id, onward)) is not None
            )
            if step := self._becoming_one(able, technique, [other for _, other in ranked]):
                yield step

    def _rank(self, other: str, user_id: str, onward: Mapping[str, Step]) -> tuple[int, str] | None:
        """How good it is to be somebody else; None if that has nothing which the user lacks."""
        name = self._grants.users[other].name.lower()
        if other in self._administrators:
            return 0, name
        if other in onward and self._end(other, onward) == ADMINISTRATOR and not self._passes(other, user_id, onward):
            return 1, name
        return None if self._labels[other] <= self._labels[user_id] else (2, name)

    def _end(self, user_id: str, onward: Mapping[str, Step]) -> str:
        step = onward[user_id]
        while step.to is not None and step.to in onward:
            step = onward[step.to]
        return step.leads_to

    def _passes(self, one: str, through: str, onward: Mapping[str, Step]) -> bool:
        """Whether the way of one user leads through another."""
        at: str | None = one
        while at is not None and at in onward:
            at = onward[at].to
            if at == through:
                return True
        return False

    def _chain(self, step: Step, onward: Mapping[str, Step]) -> Iterator[Step]:
        """A step, and those of whom the user then is, as far as they lead on to more."""
        first = step.user.id
        yield step
        while step.to is not None and step.to in onward and not self._passes(step.to, first, onward):
            step = onward[step.to]
            yield step
