"""`report access-review`, now and as of the middle, of an account as full as IAM lets it be, with a million events.

5,000 users, 300 groups and 1,500 policies; then people join and leave groups, and policies are attached, detached and
rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from random import Random

from benchmarks import filling
from benchmarks.measuring import interleaved, seconds
from benchmarks.mix import SEED
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from iamledger.engine.view import open_view
from iamledger.iam import attachment, identifiers, inline_policy, membership
from iamledger.iam.account import AccountCreated
from iamledger.iam.events import Event
from iamledger.iam.group import GroupCreated
from iamledger.iam.managed_policy import PolicyCreated
from iamledger.iam.permissions_boundary import UserPermissionsBoundaryPut
from iamledger.iam.user import UserCreated
from iamledger.store import Connection, connect, head
from iamledger_projections import projections
from iamledger_projections.reports.access_review import READS, access_review

EVENTS = 1_000_000
USERS, GROUPS, POLICIES = 5000, 300, 1500
MOST_GROUPS, MOST_OWN, MOST_OF_GROUP = 3, 10, 5
"""Groups of a user, policies of a user, managed policies of a group: a tenth of a million rows come of it."""
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'


def measure(run: Run) -> Iterator[Result]:
    """The whole read: opening the view, which looks for news, and fetching every row."""
    events = run.size(EVENTS)
    run.tell(f"writing {events:,} events about policies")
    (account_id,) = filling.accounts(1)
    url = run.server.database()
    sizes = run.size(USERS), run.size(GROUPS), run.size(POLICIES)
    filling.write(url, {account_id: islice(granted(account_id, *sizes), events)})
    run.build(url)
    with connect(url) as connection:
        middle = head(connection, account_id).position // 2
        contenders = {
            "past": partial(_review, run, connection, account_id, middle),
            "now": partial(_review, run, connection, account_id, None),
        }
        interleaved(2, contenders)
        found = interleaved(run.rounds(10), contenders)
    run.server.drop(url)
    now = f"`report access-review`, {sizes[0]:,} users, {sizes[1]:,} groups, {sizes[2]:,} policies"
    yield Result("review", now, "ms", found["now"], bar=Bar("value", "at most", 2000))
    what = f"the same as of the middle of {events:,} events"
    yield Result("review", what, "ms", found["past"], found["now"], "now", Bar("ratio", "at most", 2.0))


def _review(run: Run, connection: Connection, account_id: str, position: int | None) -> float:
    rows = []

    def read() -> None:
        with open_view(connection, account_id, [projections()[name] for name in READS], position=position) as view:
            rows.extend(access_review(view))

    took = seconds(read) * 1000
    run.tell(f"{len(rows):,} rows {'now' if position is None else 'then'} in {took:.0f} ms")
    return took


def granted(account_id: str, users: int, groups: int, policies: int) -> Iterator[Event]:
    """The account is filled; then grants and memberships come and go, without an end."""
    random = Random(SEED)
    policy_ids = [identifiers.unique_id("ANPA", random.randbytes(11)) for _ in range(policies)]
    arns = {id_: identifiers.arn(account_id, "policy", "/", f"policy-{n}") for n, id_ in enumerate(policy_ids)}
    group_ids = [identifiers.unique_id("AGPA", random.randbytes(11)) for _ in range(groups)]
    user_ids = [identifiers.unique_id("AIDA", random.randbytes(11)) for _ in range(users)]
    yield AccountCreated(account_id=account_id, account_name="acme", email="root@acme.example")
    for n, id_ in enumerate(policy_ids):
        yield PolicyCreated(
            policy_id=id_, arn=arns[id_], policy_name=f"policy-{n}", path="/", version_id="v1", document=DOCUMENT
        )
    for n, id_ in enumerate(group_ids):
        yield GroupCreated(group_id=id_, group_name=f"group-{n}", path="/")
    for n, id_ in enumerate(user_ids):
        yield UserCreated(user_id=id_, user_name=f"user-{n}", path="/")
        if n % 5 == 0:
            bound = random.choice(policy_ids)
            yield UserPermissionsBoundaryPut(user_id=id_, policy_id=bound, policy_arn=arns[bound])
    with_grants = user_ids[users // 20 :]
    """A twentieth of the users never has anything."""
    of_users: dict[str, list[str]] = {id_: [] for id_ in with_grants}
    of_groups: dict[str, list[str]] = {id_: [] for id_ in group_ids}
    members: dict[str, list[str]] = {id_: [] for id_ in with_grants}
    inline: set[tuple[str, str]] = set()
    while True:
        user, group, policy = random.choice(with_grants), random.choice(group_ids), random.choice(policy_ids)
        match random.randrange(10):
            case 0 | 1 | 2 if group in members[user]:
                members[user].remove(group)
                yield membership.UserRemovedFromGroup(user_id=user, group_id=group)
            case 0 | 1 | 2 if len(members[user]) < MOST_GROUPS:
                members[user].append(group)
                yield membership.UserAddedToGroup(user_id=user, group_id=group)
            case 0 | 1 | 2:
                yield membership.UserRemovedFromGroup(user_id=user, group_id=members[user].pop(0))
            case 3 | 4 | 5 if len(of_users[user]) < random.randint(1, MOST_OWN) and policy not in of_users[user]:
                of_users[user].append(policy)
                yield attachment.UserPolicyAttached(user_id=user, policy_id=policy, policy_arn=arns[policy])
            case 3 | 4 | 5 if of_users[user]:
                taken = of_users[user].pop(0)
                yield attachment.UserPolicyDetached(user_id=user, policy_id=taken, policy_arn=arns[taken])
            case 6 if len(of_groups[group]) < MOST_OF_GROUP and policy not in of_groups[group]:
                of_groups[group].append(policy)
                yield attachment.GroupPolicyAttached(group_id=group, policy_id=policy, policy_arn=arns[policy])
            case 6 if of_groups[group]:
                taken = of_groups[group].pop(0)
                yield attachment.GroupPolicyDetached(group_id=group, policy_id=taken, policy_arn=arns[taken])
            case 7:
                yield inline_policy.GroupPolicyPut(group_id=group, policy_name="extra", document=DOCUMENT)
            case 8 if (user, "own") in inline:
                inline.remove((user, "own"))
                yield inline_policy.UserPolicyDeleted(user_id=user, policy_name="own")
            case _:
                inline.add((user, "own"))
                yield inline_policy.UserPolicyPut(user_id=user, policy_name="own", document=DOCUMENT)
