"""Sixteen writers on one account: no gap, no lost update, no quota exceeded, and never the wrong user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from threading import Barrier

import pytest

from conftest import ACCOUNT, OPERATOR, new_ledger
from iamledger.iam.access_key import create_access_key, revoke_access_key, rotate_access_key
from iamledger.iam.refusals import NoSuchEntity, Refusal
from iamledger.iam.user import create_user, delete_user, update_user
from iamledger.ledger import Circumstances, Conflict, Ledger, Outcome
from iamledger.store import Connection, Database, RecordedEvent, head, read

WRITERS = 16
Work = Callable[[Ledger], Outcome]


def together(url: str, works: list[Work], **circumstances: str) -> list[Outcome | Exception]:
    """Let each work begin at the same moment, on a connection of its own."""
    start = Barrier(len(works))

    def one(work: Work) -> Outcome | Exception:
        database = Database(url)
        try:
            ledger = new_ledger(database, **circumstances)
            _ = database.connection
            start.wait()
            return work(ledger)
        except (Refusal, Conflict) as refused:
            return refused
        finally:
            database.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def codes(outcomes: list[Outcome | Exception]) -> Counter[str]:
    """How often each outcome was."""
    return Counter("done" if isinstance(o, Outcome) else type(o).__name__ for o in outcomes)


def events(connection: Connection) -> list[RecordedEvent]:
    """The whole ledger, whose positions have no gap and whose times rise."""
    found = read(connection, ACCOUNT)
    assert [event.position for event in found] == list(range(1, head(connection, ACCOUNT).position + 1))
    assert all(a.recorded_at < b.recorded_at for a, b in pairwise(found))
    return found


def test_a_name_is_given_once(ledger: Ledger) -> None:
    outcomes = together(ledger.database.url, [lambda to: to.execute(create_user, name="alice")] * WRITERS)
    assert codes(outcomes) == {"done": 1, "EntityAlreadyExists": WRITERS - 1}
    assert [event.type for event in events(ledger.database.connection)] == ["AccountCreated", "UserCreated"]


def test_different_users_do_not_conflict(ledger: Ledger) -> None:
    def create(name: str) -> Work:
        return lambda to: to.execute(create_user, name=name)

    outcomes = together(ledger.database.url, [create(f"user{n}") for n in range(WRITERS)])
    assert codes(outcomes) == {"done": WRITERS}
    assert len(events(ledger.database.connection)) == 1 + WRITERS


def test_no_user_ever_has_three_keys(ledger: Ledger) -> None:
    ledger.execute(create_user, name="alice")
    ledger.execute(create_user, name="bob")

    def work(n: int) -> Work:
        user = "alice" if n % 2 else "bob"
        if n % 4 < 2:
            return lambda to: to.execute(create_access_key, user=user)
        return lambda to: to.execute(rotate_access_key, user=user, grace=timedelta(0))

    for _ in range(3):
        outcomes = together(ledger.database.url, [work(n) for n in range(WRITERS)])
        assert not [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
        held: dict[str, set[str]] = {}
        for event in events(ledger.database.connection):
            if event.type == "AccessKeyCreated":
                held.setdefault(event.data["user_id"], set()).add(event.data["access_key_id"])
            if event.type == "AccessKeyRevoked":
                held[event.data["user_id"]].remove(event.data["access_key_id"])
            assert all(len(keys) <= 2 for keys in held.values())
        for keys in held.values():
            assert len(keys) == 2
            ledger.execute(revoke_access_key, key=min(keys))


def test_a_request_raced_by_many_happens_once(ledger: Ledger) -> None:
    ledger.execute(create_user, name="alice")
    work: Work = lambda to: to.execute(create_access_key, user="alice")  # noqa: E731
    outcomes = together(ledger.database.url, [work] * WRITERS, request_id="one-and-the-same")
    assert {(o.first, o.last) for o in outcomes if isinstance(o, Outcome)} == {(3, 3)}
    assert codes(outcomes) == {"done": WRITERS}
    assert [bool(o.secrets) for o in outcomes if isinstance(o, Outcome)].count(True) == 1
    assert len(events(ledger.database.connection)) == 3


@pytest.mark.parametrize("round_", range(6))
def test_a_rename_never_hits_the_wrong_user(ledger: Ledger, round_: int) -> None:
    """alice is deleted, created again, renamed and given keys, all at once: each key's user held the name at that moment."""
    ledger.execute(create_user, name="alice")
    works: list[Work] = [
        lambda to: to.execute(delete_user, user="alice"),
        lambda to: to.execute(create_user, name="alice"),
        lambda to: to.execute(update_user, user="alice", new_name="bob"),
        lambda to: to.execute(create_user, name="Bob"),
        lambda to: to.execute(update_user, user="bob", new_name="ALICE"),
        *[lambda to: to.execute(create_access_key, user="alice")] * 4,
        *[lambda to: to.execute(create_access_key, user="bob")] * 3,
    ]
    works = works[round_:] + works[:round_]
    outcomes = together(ledger.database.url, works)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    holders: dict[str, str] = {}
    keys: Counter[str] = Counter()
    for event in events(ledger.database.connection):
        data = event.data
        if event.type == "UserCreated":
            assert data["user_name"].lower() not in holders
            holders[data["user_name"].lower()] = data["user_id"]
        elif event.type == "UserRenamed":
            assert holders.pop(data["old_user_name"].lower()) == data["user_id"]
            assert data["user_name"].lower() not in holders
            holders[data["user_name"].lower()] = data["user_id"]
        elif event.type == "UserDeleted":
            assert holders.pop(data["user_name"].lower()) == data["user_id"]
            assert not keys[data["user_id"]]
        elif event.type == "AccessKeyCreated":
            assert data["user_id"] in holders.values()
            keys[data["user_id"]] += 1


def test_conflicts_that_outlast_the_retries_are_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.execute(create_user, name="alice")
    other = new_ledger(Database(ledger.database.url))
    monkeypatch.setattr("iamledger.ledger.CONFLICT_ATTEMPTS", 3)
    decide = Ledger._secret_changes
    names = iter(["bob", "alice"] * 10)

    def interrupted(self: Ledger, *arguments: object) -> object:
        if self is ledger:
            user = "alice" if (name := next(names)) == "bob" else "bob"
            other.execute(update_user, user=user, new_name=name)
        return decide(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "_secret_changes", interrupted)
    # Each time alice has been renamed by the time of the append, so the name leads nowhere, or to a conflict.
    with pytest.raises((Conflict, NoSuchEntity)):
        ledger.execute(create_access_key, user="alice")
    assert "AccessKeyCreated" not in [event.type for event in events(ledger.database.connection)]
    other.database.close()


def test_the_same_ledger_by_another_actor_is_another_command(ledger: Ledger) -> None:
    first = new_ledger(ledger.database, request_id="r").execute(create_user, name="alice")
    stranger = Circumstances(type(OPERATOR)("stranger", "iamledger_app"), request_id="r")
    with pytest.raises(Refusal) as refused:
        Ledger(ledger.database, ACCOUNT, stranger, master_key=ledger._master_key).execute(create_user, name="alice")
    assert refused.value.code == "IdempotentParameterMismatch"
    assert first.last == head(ledger.database.connection, ACCOUNT).position
