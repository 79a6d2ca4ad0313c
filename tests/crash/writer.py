"""A writer that is going to be killed: runs commands for ever, telling each before it begins and after it was answered.

Arguments: the database's URL, the account, a name. Each command is decided by its request id alone (and by what became of
the ones before it), so that whoever finds one unanswered can repeat it. None can be refused.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import count

from iamledger.actors import LocalOperator
from iamledger.iam.access_key import (
    RevocationReason,
    create_access_key,
    deactivate_access_key,
    revoke_access_key,
    rotate_access_key,
)
from iamledger.iam.user import create_user, delete_user, tag_user, update_user
from iamledger.ledger import Circumstances, Conflict, Ledger, Outcome
from iamledger.sealing import MasterKey
from iamledger.store import Database, Unreachable, read, translated

MASTER_KEY = MasterKey(bytes(range(32)))
STEPS = 8


def run(database: Database, account_id: str, request_id: str) -> Outcome:
    """Run the command of a request id: the next step in the life of a user, and every other time its end."""
    circumstances = Circumstances(LocalOperator("writer", "iamledger_app"), request_id=request_id)
    ledger = Ledger(database, account_id, circumstances, master_key=lambda: MASTER_KEY)
    writer, _, number = request_id.partition(".")
    life, step = divmod(int(number), STEPS)
    name, later = f"{writer}.{life}", f"{writer}.{life}.renamed"

    def key_of(earlier: int) -> str:
        return issued(database, account_id, f"{writer}.{life * STEPS + earlier}")

    match step, life % 2:
        case 0, _:
            return ledger.execute(create_user, name=name, tags=[("writer", writer)])
        case 1, _:
            return ledger.execute(create_access_key, user=name)
        case 2, _:
            return ledger.execute(rotate_access_key, user=name, grace=timedelta(hours=1))
        case 3, _:
            return ledger.execute(tag_user, user=name, tags=[("life", str(life))])
        case 4, _:
            return ledger.execute(update_user, user=name, new_name=later, new_path=f"/{life}/")
        case 5, _:
            reason = RevocationReason.SUPERSEDED
            return ledger.execute(revoke_access_key, key=key_of(1), revocation_reason=reason)
        case 6, 0:
            return ledger.execute(deactivate_access_key, key=key_of(2))
        case 6, _:
            return ledger.execute(revoke_access_key, key=key_of(2))
        case 7, 0:
            return ledger.execute(create_access_key, user=later)
    return ledger.execute(delete_user, user=later)


def issued(database: Database, account_id: str, request_id: str) -> str:
    """The key that an earlier command issued."""
    with translated():
        row = database.connection.execute(
            "SELECT first FROM iamledger.requests WHERE account_id = %s AND request_id = %s", (account_id, request_id)
        ).fetchone()
    assert row is not None
    return str(read(database.connection, account_id, after=row[0] - 1, upto=row[0])[0].data["access_key_id"])


def main(url: str, account_id: str, name: str) -> None:
    """Write until killed. What was lost is repeated under the same request id."""
    database = Database(url)
    for number in count():
        request_id = f"{name}.{number}"
        print("begin", request_id, flush=True)
        while True:
            try:
                outcome = run(database, account_id, request_id)
                break
            except (Unreachable, Conflict):
                database.close()
        shown = [f"{key}={secret}" for key, secret in outcome.secrets.items()]
        print("done", request_id, outcome.first, outcome.last, *shown, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
