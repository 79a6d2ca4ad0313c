"""`group add-user` and `policy attach`, the whole command, where ten thousand did so before, against where nobody did.

A decision looks at the user's memberships and attachments, never at all of the group's or the policy's: a long past is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

from benchmarks import filling
from benchmarks.measuring import interleaved, seconds
from benchmarks.quota import ledger_of
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from iamledger.decisions import Decision
from iamledger.iam.account import AccountCreated
from iamledger.iam.attachment import UserPolicyAttached, UserPolicyDetached, attach_user_policy
from iamledger.iam.events import Event
from iamledger.iam.group import GroupCreated
from iamledger.iam.identifiers import arn
from iamledger.iam.managed_policy import PolicyCreated
from iamledger.iam.membership import UserAddedToGroup, UserRemovedFromGroup, add_user_to_group
from iamledger.iam.user import UserCreated
from iamledger.store import Database

PAST = 10_000
USERS = 2000
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'


def measure(run: Run) -> Iterator[Result]:
    """A user who is in no group joins the one with the past, the next one the fresh one; and so with the policies."""
    past = run.size(PAST)
    run.tell(f"writing {past:,} memberships and {past:,} attachments that are over")
    url = run.server.database()
    (account_id,) = filling.accounts(1)
    filling.write(url, {account_id: lived(account_id, past)})
    run.build(url)
    database = Database(url)
    ledger = ledger_of(database, account_id)
    users = count()

    def once(decision: Decision, **target: str) -> float:
        user = f"user-{next(users) % USERS}"
        return seconds(lambda: ledger.execute(decision, user=user, **target)) * 1000

    for what, decision, targets in (
        ("`group add-user`", add_user_to_group, {"past": {"group": "old"}, "fresh": {"group": "fresh"}}),
        ("`policy attach`", attach_user_policy, {n: {"policy": _arn(account_id, n)} for n in ("past", "fresh")}),
    ):
        contenders = {name: partial(once, decision, **target) for name, target in targets.items()}
        interleaved(10, contenders)
        found = interleaved(run.rounds(150), contenders)
        told = f"{what}, {past:,} in the past"
        yield Result("boundary", told, "ms", found["past"], found["fresh"], "fresh", Bar("ratio", "at most", 1.5))
    database.close()
    run.server.drop(url)


def lived(account_id: str, past: int) -> Iterator[Event]:
    """Users who have nothing, two groups and two policies, of which one each has seen everybody come and go."""
    yield AccountCreated(account_id=account_id, account_name="acme", email="root@acme.example")
    for n, name in enumerate(("old", "fresh")):
        yield GroupCreated(group_id=_id("AGPA", n), group_name=name, path="/")
    for n, name in enumerate(("past", "fresh")):
        yield PolicyCreated(
            policy_id=_id("ANPA", n),
            arn=_arn(account_id, name),
            policy_name=name,
            path="/",
            version_id="v1",
            document=DOCUMENT,
        )
    for n in range(USERS):
        yield UserCreated(user_id=_id("AIDA", n), user_name=f"user-{n}", path="/")
    for n in range(past):  # others than those who are measured, who have no past of their own
        gone = {"user_id": _id("AIDZ", n % USERS)}
        yield UserAddedToGroup(**gone, group_id=_id("AGPA", 0))
        yield UserRemovedFromGroup(**gone, group_id=_id("AGPA", 0))
        attached = {**gone, "policy_id": _id("ANPA", 0), "policy_arn": _arn(account_id, "past")}
        yield UserPolicyAttached(**attached)
        yield UserPolicyDetached(**attached)


def _id(prefix: str, number: int) -> str:
    return f"{prefix}{number:017}"


def _arn(account_id: str, name: str) -> str:
    return arn(account_id, "policy", "/", name)
