"""A writer that is going to be killed: runs commands for ever, telling each before it begins and after it was answered.

Arguments: the database's URL, the account, a name. Each command is decided by its request id alone, so that
whoever finds one unanswered can repeat it.
"""

from __future__ import annotations

import random
import sys
from datetime import timedelta
from itertools import count

from iamledger.actors import LocalOperator
from iamledger.iam.access_key import create_access_key, rotate_access_key
from iamledger.iam.refusals import Refusal
from iamledger.iam.user import create_user, tag_user
from iamledger.ledger import Circumstances, Ledger, Outcome
from iamledger.sealing import MasterKey
from iamledger.store import Database

MASTER_KEY = MasterKey(bytes(range(32)))


def run(database: Database, account_id: str, request_id: str) -> Outcome:
    """Run the command of a request id."""
    circumstances = Circumstances(LocalOperator("writer", "iamledger_app"), request_id=request_id)
    ledger = Ledger(database, account_id, circumstances, master_key=lambda: MASTER_KEY)
    writer, _, number = request_id.partition(".")
    step, user = int(number) % 4, f"{writer}.{int(number) // 4}"
    match step:
        case 0:
            return ledger.execute(create_user, name=user)
        case 1:
            return ledger.execute(create_access_key, user=user)
        case 2:
            return ledger.execute(rotate_access_key, user=user, grace=timedelta(hours=1))
    return ledger.execute(tag_user, user=user, tags=[("seed", str(random.Random(request_id).random())[:8])])


def main(url: str, account_id: str, name: str) -> None:
    """Write until killed."""
    database = Database(url)
    for number in count():
        request_id = f"{name}.{number}"
        print("begin", request_id, flush=True)
        try:
            outcome = run(database, account_id, request_id)
        except Refusal as refused:  # the command before it was lost with its writer's predecessor; cannot happen here
            print("refused", request_id, refused.code, flush=True)
        else:
            print("done", request_id, outcome.first, outcome.last, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
