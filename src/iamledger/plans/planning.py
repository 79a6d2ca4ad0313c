"""Compares what a file says of an account with what is there, and makes the commands that are missing.

What a file does not name is left alone, unless it is to be pruned. Within a group or a user, a list or map that the file
has is meant exactly: what it does not list is taken away. Taking away comes before adding, so that quotas have room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from iamledger.decisions import Command
from iamledger.iam import (
    attachment,
    constraints,
    group,
    inline_policy,
    managed_policy,
    membership,
    permissions_boundary,
    user,
)
from iamledger.iam.identifiers import arn
from iamledger.iam.policy_document import size
from iamledger.iam.refusals import InvalidInput, ValidationError
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User
from iamledger.plans.pruning import without_pruned

TAKING_AWAY = (
    attachment.detach_user_policy,
    attachment.detach_group_policy,
    inline_policy.delete_user_policy,
    inline_policy.delete_group_policy,
    membership.remove_user_from_group,
    permissions_boundary.delete_user_permissions_boundary,
)
DELETING = (user.delete_user, group.delete_group, managed_policy.delete_policy)


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and for people what it is about, what changes, and the text of a document before and after."""

    about: str
    command: Command
    change: str = ""
    before: str | None = None
    after: str | None = None

    @property
    def operation(self) -> str:
        """What is done, called as IAM calls it, such as CreateUser, where IAM has an operation for it."""
        return "".join(word.capitalize() for word in self.command.decision.__name__.split("_"))


def plan(desired: Account, present: Account, managed_by_aws: Mapping[str, str], *, prune: bool = False) -> list[Step]:
    """The commands that make the account what the file says. `present` is complete, its key the account's number.

    Raises InvalidInput, with the line, for a policy or group that is neither there nor in the file, and for what cannot be
    changed: a policy's path, its description and the case of its name.
    """
    planning = _Planning(without_pruned(desired, present) if prune else desired, present, managed_by_aws)
    steps = list(planning.steps(prune))
    return sorted(steps, key=planning.turn) if prune else steps


class _Planning:
    def __init__(self, desired: Account, present: Account, managed_by_aws: Mapping[str, str]) -> None:
        self.desired, self.present = desired, present
        here, declared = (
            {name: self._arn(policy) for name, policy in policies.items()}
            for policies in (present.policies, desired.policies)
        )
        self._arns: dict[str, str] = {
            **here,
            **managed_by_aws,
            **declared,
        }  # who makes a policy cannot take a name over
        replaced = (name for name, person in desired.users.items() if person.boundary != NO_BOUNDARY)
        self._bounding = {present.users[name].boundary for name in replaced if name in present.users}
        self._known = {*managed_by_aws.values(), *here.values(), *declared.values()}

    def steps(self, prune: bool) -> Iterator[Step]:
        """In the order in which one needs the other."""
        for name, policy in self.desired.policies.items():
            yield from self._policy(policy, self.present.policies.get(name))
        for name, declared in self.desired.groups.items():
            yield from self._group(declared, self.present.groups.get(name))
        for name, person in self.desired.users.items():
            yield from self._user(person, self.present.users.get(name))
        if prune:
            yield from self._prune()

    def turn(self, step: Step) -> int:
        """When there is something to prune: first what stands in the way of deletions, then these, which make room."""
        decision, arguments = step.command.decision, step.command.arguments
        if decision in TAKING_AWAY:
            return 0
        if decision is managed_policy.delete_policy and arguments["policy"] in self._bounding:
            return 3  # another boundary takes its place before
        return 1 if decision in DELETING else 2

    def _arn(self, policy: Policy) -> str:
        return arn(self.present.key, "policy", policy.path, policy.name)

    def _policy(self, policy: Policy, there: Policy | None) -> Iterator[Step]:
        at = self._arn(policy)
        for constraint, value in ((constraints.POLICY_NAME, policy.name), (constraints.POLICY_PATH, policy.path)):
            try:
                constraint.check(value)
            except ValidationError as error:
                raise _refused(policy.line, str(error)) from None
        if there is None:
            wishes = {"name": at, "document": policy.document.text, "description": policy.description}
            made = Command(managed_policy.create_policy, wishes)
            yield Step(f"policy {policy.name}", made, _at(policy.path), after=policy.document.text)
            return
        if self._arn(there) != at:
            raise _refused(
                policy.line, f"the policy {there.name} is {self._arn(there)}; a policy cannot be moved or renamed"
            )
        if policy.description is not None and policy.description != (there.description or ""):
            raise _refused(policy.line, f"the description of policy {there.name} cannot be changed")
        if not policy.document.is_text(there.document.text):
            wishes = {"policy": at, "document": policy.document.text}
            replaced = Command(managed_policy.replace_policy_document, wishes)
            yield Step(f"policy {policy.name}", replaced, "", there.document.text, policy.document.text)

    def _group(self, declared: Group, there: Group | None) -> Iterator[Step]:
        name, about = declared.name, f"group {declared.name}"
        if there is None:
            made = Command(group.create_group, {"name": name, "path": _path(declared)})
            yield Step(about, made, _at(_path(declared)))
        elif wishes := _moved(declared, there):
            yield Step(about, Command(group.update_group, {"group": there.name, **wishes}), _from_to(there, wishes))
        there = there or Group(name)
        yield from self._inline(about, {"group": name}, declared.inline, there.inline)
        yield from self._attached(about, {"group": name}, declared, there)

    def _user(self, person: User, there: User | None) -> Iterator[Step]:
        name, about = person.name, f"user {person.name}"
        if there is None:
            new = {"name": name, "path": _path(person), "tags": list(person.tags or ())}
            yield Step(about, Command(user.create_user, new), _at(_path(person)))
            there = User(name, tags=person.tags)
        elif wishes := _moved(person, there):
            yield Step(about, Command(user.update_user, {"user": there.name, **wishes}), _from_to(there, wishes))
        yield from self._tags(about, person, there)
        yield from self._inline(about, {"user": name}, person.inline, there.inline)
        yield from self._attached(about, {"user": name}, person, there)
        yield from self._groups(about, person, there)
        yield from self._boundary(about, person, there)

    def _tags(self, about: str, person: User, there: User) -> Iterator[Step]:
        if person.tags is None:
            return
        wanted, has = dict(person.tags), dict(there.tags or ())
        kept = {key.lower() for key in wanted}
        gone = [key for key in has if key.lower() not in kept]
        if gone:
            yield Step(f"{about}: {', '.join(gone)}", Command(user.untag_user, {"user": person.name, "keys": gone}))
        new = [(key, value) for key, value in wanted.items() if has.get(key) != value]
        if new:
            told = ", ".join(key for key, _ in new)  # a value is personal
            yield Step(f"{about}: {told}", Command(user.tag_user, {"user": person.name, "tags": new}))

    def _inline(
        self,
        about: str,
        whose: Mapping[str, str],
        wanted: Mapping[str, Document] | None,
        has: Mapping[str, Document] | None,
    ) -> Iterator[Step]:
        if wanted is None:
            return
        of_user = "user" in whose
        delete = inline_policy.delete_user_policy if of_user else inline_policy.delete_group_policy
        put = inline_policy.put_user_policy if of_user else inline_policy.put_group_policy
        has = has or {}
        for name in has:
            if name not in wanted:
                gone = Command(delete, {**whose, "policy_name": name})
                yield Step(f"{about}: {name}", gone, before=has[name].text)
        new = [n for n, document in wanted.items() if n not in has or not document.is_text(has[n].text)]
        growth = {n: size(wanted[n].text) - (size(has[n].text) if n in has else 0) for n in new}
        for name in sorted(new, key=lambda n: growth[n] > 0):  # those that shrink make room for the others
            wishes = {**whose, "policy_name": name, "document": wanted[name].text}
            before = has[name].text if name in has else None
            yield Step(f"{about}: {name}", Command(put, wishes), before=before, after=wanted[name].text)

    def _attached(
        self, about: str, whose: Mapping[str, str], declared: User | Group, there: User | Group
    ) -> Iterator[Step]:
        if declared.policies is None:
            return
        of_user = "user" in whose
        detach = attachment.detach_user_policy if of_user else attachment.detach_group_policy
        attach = attachment.attach_user_policy if of_user else attachment.attach_group_policy
        has = list(there.policies or ())
        wanted = list(dict.fromkeys(self._policy_arn(policy, declared.line) for policy in declared.policies))
        for policy in _without(has, wanted):
            yield Step(f"{about}: {policy}", Command(detach, {**whose, "policy": policy}))
        for policy in _without(wanted, has):
            yield Step(f"{about}: {policy}", Command(attach, {**whose, "policy": policy}))

    def _groups(self, about: str, person: User, there: User) -> Iterator[Step]:
        if person.groups is None:
            return
        wanted = {name.lower(): self._group_name(name, person.line) for name in person.groups}
        has = {name.lower(): name for name in there.groups or ()}
        for key in _without(has, wanted):
            left = {"user": person.name, "group": has[key]}
            yield Step(f"{about}: {has[key]}", Command(membership.remove_user_from_group, left))
        for key in _without(wanted, has):
            joined = {"user": person.name, "group": wanted[key]}
            yield Step(f"{about}: {wanted[key]}", Command(membership.add_user_to_group, joined))

    def _boundary(self, about: str, person: User, there: User) -> Iterator[Step]:
        if person.boundary is None:
            return
        has = there.boundary or NO_BOUNDARY
        if person.boundary == NO_BOUNDARY:
            if has:
                gone = Command(permissions_boundary.delete_user_permissions_boundary, {"boundary": person.name})
                yield Step(about, gone)
            return
        policy = self._policy_arn(person.boundary, person.line)
        if policy != has:
            wishes = {"user": person.name, "policy": policy}
            yield Step(f"{about}: {policy}", Command(permissions_boundary.put_user_permissions_boundary, wishes))

    def _prune(self) -> Iterator[Step]:
        """Delete what the file does not name, as far as IAM's rules let it.

        A user who has access keys is refused: somebody must say why they are revoked. So is a group that the file leaves
        members, or a policy that it leaves attached.
        """
        for name, there in self.present.users.items():
            if name not in self.desired.users:
                nothing = User(there.name, None, None, (), (), {}, NO_BOUNDARY)
                yield from self._user(nothing, there)
                yield Step(f"user {there.name}", Command(user.delete_user, {"user": there.name}))
        for name, unnamed in self.present.groups.items():
            if name not in self.desired.groups:
                yield from self._group(Group(unnamed.name, None, (), {}), unnamed)
                yield Step(f"group {unnamed.name}", Command(group.delete_group, {"group": unnamed.name}))
        for name, policy in self.present.policies.items():
            if name not in self.desired.policies:
                gone = Command(managed_policy.delete_policy, {"policy": self._arn(policy), "with_versions": True})
                yield Step(f"policy {policy.name}", gone, before=policy.document.text)

    def _policy_arn(self, policy: str, line: int) -> str:
        found = policy if policy in self._known else self._arns.get(policy.lower())
        if found is None:
            raise _refused(line, f"there is no policy {policy!a}, neither in the account nor in the file")
        return found

    def _group_name(self, name: str, line: int) -> str:
        found = self.desired.groups.get(name.lower()) or self.present.groups.get(name.lower())
        if found is None:
            raise _refused(line, f"there is no group {name!a}, neither in the account nor in the file")
        return found.name


def _at(path: str) -> str:
    return "" if path == "/" else f"path {path}"


def _from_to(there: User | Group, wishes: Mapping[str, str]) -> str:
    """What an update changes, from what to what."""
    has = {"new_name": there.name, "new_path": there.path}
    return ", ".join(f"{wish[4:]} {has[wish]} -> {value}" for wish, value in wishes.items())


def _path(declared: User | Group) -> str:
    return "/" if declared.path is None else declared.path


def _moved(declared: User | Group, there: User | Group) -> dict[str, str]:
    """What an update must change: the path, and the spelling of the name."""
    wishes = {}
    if declared.name != there.name:
        wishes["new_name"] = declared.name
    if declared.path is not None and declared.path != there.path:
        wishes["new_path"] = declared.path
    return wishes


def _without(names: Iterable[str], others: Sequence[str] | Mapping[str, str]) -> list[str]:
    taken = frozenset(others)
    return [name for name in names if name not in taken]


def _refused(line: int, what: str) -> InvalidInput:
    return InvalidInput(f"line {line}: {what}.")
