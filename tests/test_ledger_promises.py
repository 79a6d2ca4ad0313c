"""What the ledger promises beyond the decisions: data keys, fingerprints, repeats, dry runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from conftest import ACCOUNT, MASTER_KEY, OPERATOR, new_ledger
from iamledger import store
from iamledger.iam.access_key import AccessKeyCreated, create_access_key, revoke_access_key, rotate_access_key
from iamledger.iam.account import create_account
from iamledger.iam.refusals import Refusal
from iamledger.iam.user import create_user, tag_user
from iamledger.ledger import SECRET_KIND, Ledger


def secret_as_stored(ledger: Ledger, key_id: str) -> str:
    """What is sealed in the database, opened with the data key in the database."""
    connection = ledger.database.connection
    data_key = MASTER_KEY.unwrap(ACCOUNT, *store.data_key(connection, ACCOUNT))
    row = connection.execute("SELECT sealed FROM iamledger.secrets WHERE credential = %s", (key_id,)).fetchone()
    assert row is not None
    return data_key.open(key_id, SECRET_KIND, row[0])


def test_a_secret_can_be_opened_after_the_opening_append_lost_its_answer(
    database: store.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = store.append, iter([True])

    def losing_the_first_answer(*arguments: object, **named: object) -> store.Appended:
        appended = real(*arguments, **named)  # type: ignore[arg-type]
        if next(calls, False):
            raise store.ConnectionLost("the answer was lost")
        return appended

    monkeypatch.setattr(store, "append", losing_the_first_answer)
    ledger = new_ledger(database)
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    ledger.execute(create_user, name="alice")
    outcome = ledger.execute(create_access_key, user="alice")
    ((key_id, secret),) = outcome.secrets.items()
    assert secret_as_stored(ledger, key_id) == secret


def test_an_erased_value_cannot_be_guessed_from_the_fingerprint(database: store.Database) -> None:
    ledger = new_ledger(database, request_id="r")
    asked = {"account": ACCOUNT, "account_name": "acme", "email": "root@acme.example"}
    ledger.execute(create_account, **asked)
    (fingerprint,) = database.connection.execute("SELECT fingerprint FROM iamledger.requests").fetchone() or ("",)
    guess = {"decision": "create_account", "wishes": asked, "actor": OPERATOR.told()}
    assert fingerprint != sha256(store.canonical(guess)).hexdigest()


def test_other_personal_wishes_are_another_command(ledger: Ledger) -> None:
    again = new_ledger(ledger.database, request_id="r")
    again.execute(create_user, name="alice", tags=[("team", "storage")])
    assert again.execute(create_user, name="alice", tags=[("team", "storage")]).repeated
    with pytest.raises(Refusal, match="used before, for a different command"):
        again.execute(create_user, name="alice", tags=[("team", "web")])
    with pytest.raises(Refusal, match="used before, for a different command"):
        again.execute(tag_user, user="alice", tags=[("team", "web")])


def test_a_rotation_never_puts_off_an_end_that_was_recorded(ledger: Ledger) -> None:
    ledger.execute(create_user, name="alice")
    ledger.execute(create_access_key, user="alice")
    first = ledger.execute(rotate_access_key, user="alice", grace=timedelta(hours=1))
    (new,) = (event for event in first.events if isinstance(event, AccessKeyCreated))
    ledger.execute(revoke_access_key, key=new.access_key_id)
    second = ledger.execute(rotate_access_key, user="alice", grace=timedelta(days=300))
    assert second.events[-1].usable_until == first.events[-1].usable_until  # type: ignore[attr-defined]
    assert second.events[-1].usable_until < datetime.now(UTC) + timedelta(hours=2)  # type: ignore[attr-defined]


def test_a_dry_run_appends_nothing(ledger: Ledger) -> None:
    outcome = new_ledger(ledger.database, request_id="r").execute(create_user, name="alice", dry_run=True)
    assert [type(event).__name__ for event in outcome.events] == ["UserCreated"]
    assert outcome.last is None
    assert store.head(ledger.database.connection, ACCOUNT).position == 1
    assert ledger.database.connection.execute("SELECT FROM iamledger.requests WHERE request_id = 'r'").fetchall() == []


@pytest.mark.parametrize("events", ["[]", '[{"type":"X","version":1,"tags":[],"context":{},"data":{},"body":"00"}]'])
def test_the_database_takes_no_append_without_events_and_their_hashes(ledger: Ledger, events: str) -> None:
    import psycopg

    connection = ledger.database.connection
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("SELECT iamledger.append(%s, %s, 'r', 'f', NULL, NULL, false, NULL)", (ACCOUNT, events))
    assert store.head(connection, ACCOUNT).position == 1
