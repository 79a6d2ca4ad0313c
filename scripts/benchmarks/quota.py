"""`user create`, the whole command, in an account of 5,000 users against an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

from benchmarks import filling
from benchmarks.appends import MASTER_KEY
from benchmarks.asof import revised
from benchmarks.measuring import interleaved, seconds
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from iamledger.iam.quotas import Quotas
from iamledger.iam.user import create_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.store import Database

USERS = 5000


def measure(run: Run) -> Iterator[Result]:
    """One create in each account in turn. The quota is raised, or the full account would refuse."""
    users = run.size(USERS)
    run.tell(f"writing {users:,} users")
    url = run.server.database()
    full, empty = filling.accounts(2)
    filling.write(url, {full: revised(full, users, 0), empty: revised(empty, 0, 0)})
    run.build(url)
    database = Database(url)
    ledgers = {name: ledger_of(database, account_id) for name, account_id in (("full", full), ("empty", empty))}
    numbers = count()

    def create(name: str) -> float:
        user = f"newcomer-{next(numbers)}"
        return seconds(lambda: ledgers[name].execute(create_user, name=user, path="/engineering/")) * 1000

    contenders = {name: partial(create, name) for name in ledgers}
    interleaved(10, contenders)
    found = interleaved(run.rounds(150), contenders)
    database.close()
    what = f"`user create` with {users:,} users"
    yield Result("quota", what, "ms", found["full"], found["empty"], "empty account", Bar("ratio", "at most", 1.5))


def ledger_of(database: Database, account_id: str) -> Ledger:
    """A ledger of which no quota over the account is ever used up."""
    return Ledger(
        database,
        account_id,
        Circumstances(filling.ACTOR, reason="new colleague", source_address="203.0.113.17"),
        master_key=lambda: MASTER_KEY,
        quotas=Quotas(users_per_account=10**9),
    )
