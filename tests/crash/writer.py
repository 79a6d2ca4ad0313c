"""A writer that is going to be killed: runs commands for ever, telling each before it begins and after it was answered.

Arguments: the database's URL, the account, a name. Each command is decided by its request id alone (and by what became of
the ones before it), so that whoever finds one unanswered can repeat it. None can be refused.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import count

from iamledger.actors import LocalOperator
from iamledger.decisions import Command
from iamledger.iam.access_key import (
    RevocationReason,
    create_access_key,
    deactivate_access_key,
    revoke_access_key,
    rotate_access_key,
)
from iamledger.iam.attachment import attach_group_policy, attach_user_policy, detach_group_policy, detach_user_policy
from iamledger.iam.group import create_group, delete_group, update_group
from iamledger.iam.inline_policy import delete_user_policy, put_user_policy
from iamledger.iam.managed_policy import create_policy, create_policy_version, delete_policy, delete_policy_version
from iamledger.iam.membership import add_user_to_group, move_user, remove_user_from_group
from iamledger.iam.permissions_boundary import put_user_permissions_boundary
from iamledger.iam.quotas import Quotas
from iamledger.iam.user import create_user, delete_user, tag_user, update_user
from iamledger.ledger import Circumstances, Conflict, Ledger, Outcome
from iamledger.sealing import MasterKey
from iamledger.store import Database, Unreachable, read, translated

MASTER_KEY = MasterKey(bytes(range(32)))
STEPS = 16
DOCUMENT = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:%s", "Resource": "*"}]}'


def run(database: Database, account_id: str, request_id: str) -> Outcome:
    """Run the command of a request id: the next step in the life of a user, and every other time its end."""
    circumstances = Circumstances(LocalOperator("writer", "iamledger_app"), request_id=request_id)
    many = Quotas(users_per_account=10**6, groups_per_account=10**6, policies_per_account=10**6)
    ledger = Ledger(database, account_id, circumstances, master_key=lambda: MASTER_KEY, quotas=many)
    writer, _, number = request_id.partition(".")
    life, step = divmod(int(number), STEPS)
    name, later = f"{writer}.{life}", f"{writer}.{life}.renamed"
    group, other = f"{name}.group", f"{name}.other"
    policy = f"arn:aws:iam::{account_id}:policy/{writer}/{name}"
    ends = life % 2 == 1

    def key_of(earlier: int) -> str:
        return issued(database, account_id, f"{writer}.{life * STEPS + earlier}")

    match step:
        case 0:
            return ledger.execute(create_user, name=name, tags=[("writer", writer)])
        case 1:
            return ledger.execute(create_access_key, user=name)
        case 2:
            return ledger.execute(rotate_access_key, user=name, grace=timedelta(hours=1))
        case 3:
            return ledger.execute(tag_user, user=name, tags=[("life", str(life))])
        case 4:
            return ledger.execute_all(
                [
                    Command(create_group, {"name": group}),
                    Command(create_policy, {"name": policy, "document": DOCUMENT % "Get*"}),
                    Command(add_user_to_group, {"user": name, "group": group}),
                    Command(attach_group_policy, {"group": group, "policy": policy}),
                ]
            )
        case 5:
            return ledger.execute(attach_user_policy, user=name, policy=policy)
        case 6:
            version = {"document": DOCUMENT % "*", "set_as_default": True}
            return ledger.execute(create_policy_version, policy=policy, **version)
        case 7:
            return ledger.execute(put_user_policy, user=name, policy_name="own", document=DOCUMENT % life)
        case 8:
            return ledger.execute(put_user_permissions_boundary, user=name, policy=policy)
        case 9:
            return ledger.execute(update_group, group=group, new_name=other, new_path=f"/{life}/")
        case 10:
            return ledger.execute_all(
                [
                    Command(create_group, {"name": group}),
                    Command(move_user, {"user": name, "source": other, "target": group}),
                    Command(detach_group_policy, {"group": other, "policy": policy}),
                    Command(delete_group, {"group": other}),
                ]
            )
        case 11:
            return ledger.execute(update_user, user=name, new_name=later, new_path=f"/{life}/")
        case 12:
            reason = RevocationReason.SUPERSEDED
            return ledger.execute(revoke_access_key, key=key_of(1), revocation_reason=reason)
        case 13 if ends:
            return ledger.execute(revoke_access_key, key=key_of(2))
        case 13:
            return ledger.execute(deactivate_access_key, key=key_of(2))
        case 14 if ends:
            return ledger.execute_all(
                [
                    Command(remove_user_from_group, {"user": later, "group": group}),
                    Command(detach_user_policy, {"user": later, "policy": policy}),
                    Command(delete_user_policy, {"user": later, "policy_name": "own"}),
                    Command(delete_user, {"user": later}),
                ]
            )
        case 14:
            return ledger.execute(create_access_key, user=later)
        case 15 if ends:
            return ledger.execute_all(
                [
                    Command(delete_policy_version, {"policy": policy, "version_id": "v1"}),
                    Command(delete_policy, {"policy": policy}),
                    Command(delete_group, {"group": group}),
                ]
            )
    return ledger.execute(delete_user_policy, user=later, policy_name="own")


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
