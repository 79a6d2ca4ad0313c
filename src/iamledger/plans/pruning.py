"""What pruning means for users and groups that stay: they lose what is pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iamledger.iam.identifiers import arn
from iamledger.plans.declared import NO_BOUNDARY, Account, Group, User


def without_pruned(desired: Account, present: Account) -> Account:
    """What a file says, and also that nothing of its users and groups leads to what it does not name.

    Where it leaves out a user's groups, a user's or group's policies or a user's boundary, they stay, but for those.
    """
    gone = {
        arn(present.key, "policy", policy.path, policy.name)
        for name, policy in present.policies.items()
        if name not in desired.policies
    }

    def kept(policies: Sequence[str] | None, there: User | Group) -> Sequence[str] | None:
        has = there.policies or ()
        left = [policy for policy in has if policy not in gone]
        return left if policies is None and len(left) < len(has) else policies

    groups, users = dict(desired.groups), dict(desired.users)
    for name in groups.keys() & present.groups.keys():
        groups[name] = replace(groups[name], policies=kept(groups[name].policies, present.groups[name]))
    for name in users.keys() & present.users.keys():
        person, there = users[name], present.users[name]
        stay = [group for group in there.groups or () if group.lower() in groups]
        lost = person.groups is None and len(stay) < len(there.groups or ())
        users[name] = replace(
            person,
            policies=kept(person.policies, there),
            groups=stay if lost else person.groups,
            boundary=NO_BOUNDARY if person.boundary is None and there.boundary in gone else person.boundary,
        )
    return replace(desired, groups=groups, users=users)
