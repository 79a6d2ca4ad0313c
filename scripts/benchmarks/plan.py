"""`plan` of a file with 5,000 users, against an account that has them all: reading, looking and comparing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import filling
from benchmarks.measuring import interleaved, seconds
from benchmarks.quota import ledger_of
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from iamledger.plans.applying import apply_account, plan_account
from iamledger.plans.reading import read_accounts
from iamledger.store import Database

USERS, GROUPS = 5000, 50


def measure(run: Run) -> Iterator[Result]:
    """Beside it, the reading of the file alone."""
    users = run.size(USERS)
    (account_id,) = filling.accounts(1)
    text = file_of(account_id, users)
    run.tell(f"applying a file of {users:,} users, {len(text) >> 10} KB")
    url = run.server.database()
    database = Database(url)
    (declared,) = read_accounts(text)
    apply_account(ledger_of(database, account_id), declared)
    contenders = {
        "plan": partial(_plan, database, account_id, text),
        "read": lambda: seconds(lambda: read_accounts(text)) * 1000,
    }
    interleaved(1, contenders)
    found = interleaved(run.rounds(7), contenders)
    database.close()
    run.server.drop(url)
    what = f"`plan` of {users:,} users who are all there"
    yield Result("plan", what, "ms", found["plan"], found["read"], "reading the file", Bar("value", "at most", 5000))


def _plan(database: Database, account_id: str, text: str) -> float:
    def plan() -> None:
        (declared,) = read_accounts(text)
        made = plan_account(database.connection, account_id, declared)
        assert not made.steps

    return seconds(plan) * 1000


def file_of(account_id: str, users: int) -> str:
    """Users with a path, a tag and a group each, written as `export` would."""
    lines = ["accounts:", f'  "{account_id}":', "    name: acme", "    email: root@acme.example", "    groups:"]
    lines += [f"      group-{n}: {{policies: [ReadOnlyAccess]}}" for n in range(GROUPS)]
    lines.append("    users:")
    for n in range(users):
        lines += [
            f"      user-{n}:",
            "        path: /engineering/",
            "        tags:",
            f"          team: team-{n % 17}",
            "        groups:",
            f"        - group-{n % GROUPS}",
            "        policies: []",
            "        inline: {}",
            "        boundary: null",
        ]
    return "\n".join(lines) + "\n"
