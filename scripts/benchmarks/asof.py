"""`user list` as of the middle of a ledger against now: 5,000 users, each revised 10 times, and each 200 times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

from benchmarks import filling
from benchmarks.measuring import interleaved, seconds
from benchmarks.mix import SEED
from benchmarks.report import Bar, Result
from benchmarks.run import Run, all_projections
from iamledger.engine.view import open_view
from iamledger.iam import identifiers
from iamledger.iam.account import AccountCreated
from iamledger.iam.events import Event
from iamledger.iam.user import UserCreated, UserPathChanged
from iamledger.store import Connection, connect, head
from iamledger_projections.users import list_users

USERS = 5000
REVISIONS = (10, 200)


def measure(run: Run) -> Iterator[Result]:
    """The whole read: opening the view, which looks for news, and fetching every row."""
    users = run.size(USERS)
    for revisions in REVISIONS:
        run.tell(f"writing {users:,} users, each revised {revisions} times")
        (account_id,) = filling.accounts(1)
        url = run.server.database()
        filling.write(url, {account_id: revised(account_id, users, revisions)})
        run.build(url)
        with connect(url) as connection:
            middle = head(connection, account_id).position // 2
            contenders = {
                "past": partial(_list, connection, account_id, middle, users),
                "now": partial(_list, connection, account_id, None, users),
            }
            interleaved(2, contenders)
            found = interleaved(run.rounds(25), contenders)
        run.server.drop(url)
        what = f"`user list` as of the middle, {users:,} users revised {revisions} times"
        yield Result("asof", what, "ms", found["past"], found["now"], "now", Bar("ratio", "at most", 1.5))


def _list(connection: Connection, account_id: str, position: int | None, expected: int) -> float:
    def read() -> None:
        with open_view(connection, account_id, all_projections(), position=position) as view:
            rows = list_users(view)
        assert len(rows) == expected, f"{len(rows)} users instead of {expected}"

    return seconds(read) * 1000


def revised(account_id: str, users: int, revisions: int) -> Iterator[Event]:
    """Users are created, then each is moved so many times: in every pass all of them, in an order of its own."""
    random = Random(SEED)
    ids = [identifiers.unique_id("AIDA", random.randbytes(11)) for _ in range(users)]
    yield AccountCreated(account_id=account_id, account_name="acme", email="root@acme.example")
    for n, user_id in enumerate(ids):
        yield UserCreated(
            user_id=user_id, user_name=f"user-{n}", path="/engineering/", tags=[("team", f"team-{n % 40}")]
        )
    for revision in range(revisions):
        random.shuffle(ids)
        for user_id in ids:
            yield UserPathChanged(user_id=user_id, path=f"/team-{revision}/")
