"""What the ledger promises beyond the decisions: data keys, fingerprints, repeats, dry runs, several commands at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from conftest import ACCOUNT, MASTER_KEY, OPERATOR, Disturbance, Points, Urls, new_ledger
from iamledger import store
from iamledger.decisions import Command, Decision
from iamledger.iam.access_key import AccessKeyCreated, create_access_key, revoke_access_key, rotate_access_key
from iamledger.iam.account import create_account
from iamledger.iam.attachment import attach_user_policy
from iamledger.iam.group import GroupCreated, GroupRenamed, create_group, delete_group, update_group
from iamledger.iam.managed_policy import (
    create_policy,
    create_policy_version,
    delete_policy,
    import_managed_policy,
    set_default_policy_version,
)
from iamledger.iam.membership import UserAddedToGroup, add_user_to_group, remove_user_from_group
from iamledger.iam.permissions_boundary import put_user_permissions_boundary
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import (
    DeleteConflict,
    EntityAlreadyExists,
    IdempotentParameterMismatch,
    LimitExceeded,
    NoSuchEntity,
    Refusal,
    ValidationError,
)
from iamledger.iam.user import UserCreated, UserDeleted, UserRenamed, create_user, delete_user, tag_user, update_user
from iamledger.ledger import CONFLICT_ATTEMPTS, SECRET_KIND, Conflict, ForgedRequest, Ledger, Outcome
from specification import policy_text


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


HASHED = '[{"type":"X","version":1,"tags":[],"context":{},"data":{},"body":"%s","personal":null}]'


@pytest.mark.parametrize(
    ("events", "refused", "column"),
    [
        (None, psycopg.errors.NotNullViolation, "head"),
        ("{}", psycopg.errors.InvalidParameterValue, None),
        ("[]", psycopg.errors.CheckViolation, None),
        ("[1]", psycopg.errors.NotNullViolation, "type"),
        *[
            (HASHED % body, psycopg.errors.NotNullViolation, "leaf_hash")
            for body in ("", "00", "0" * 63 + "x", "0" * 65, "A" * 64)
        ],
    ],
)
def test_the_database_takes_no_append_without_events_and_their_hashes(
    ledger: Ledger, events: str | None, refused: type[psycopg.Error], column: str | None
) -> None:
    connection = ledger.database.connection
    with pytest.raises(refused) as error:
        connection.execute("SELECT iamledger.append(%s, %s, 'r', 'f', NULL, NULL, false, NULL)", (ACCOUNT, events))
    assert error.value.diag.column_name == column
    assert store.head(connection, ACCOUNT).position == 1


def test_the_database_takes_such_an_append_with_a_hash(ledger: Ledger) -> None:
    connection, events = ledger.database.connection, HASHED % ("0123456789abcdef" * 4)
    connection.execute("SELECT iamledger.append(%s, %s, 'r', 'f', NULL, NULL, false, NULL)", (ACCOUNT, events))
    assert store.head(connection, ACCOUNT).position == 2


# Several commands at once.

ARN, OTHER_ARN = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("deployers", "readers"))


def do(decision: Decision, **arguments: Any) -> Command:
    return Command(decision, arguments)


def types(outcome: Outcome) -> list[str]:
    return [type(event).__name__ for event in outcome.events]


def head(ledger: Ledger) -> int:
    return store.head(ledger.database.connection, ACCOUNT).position


def fingerprints(ledger: Ledger) -> dict[str, str]:
    """What was recorded of each request, by its id."""
    return dict(ledger.database.connection.execute("SELECT request_id, fingerprint FROM iamledger.requests").fetchall())


def under(ledger: Ledger, **quotas: int) -> Ledger:
    """The same ledger under other quotas."""
    circumstances = ledger.circumstances
    return Ledger(ledger.database, ACCOUNT, circumstances, master_key=lambda: MASTER_KEY, quotas=Quotas(**quotas))


class TestLaterCommandsSeeEarlierOnes:
    def test_what_was_created_can_be_used(self, ledger: Ledger) -> None:
        outcome = ledger.execute_all(
            [
                do(create_group, name="staff"),
                do(create_user, name="alice"),
                do(add_user_to_group, user="ALICE", group="Staff"),
                do(create_policy, name=ARN, document=policy_text()),
                do(attach_user_policy, user="alice", policy=ARN),
                do(put_user_permissions_boundary, user="alice", policy=ARN),
            ]
        )
        group, user, member, policy, attached, bound = (event.model_dump() for event in outcome.events)
        assert (member["user_id"], member["group_id"]) == (user["user_id"], group["group_id"])
        assert attached["policy_id"] == bound["policy_id"] == policy["policy_id"]
        assert (outcome.first, outcome.last, head(ledger)) == (2, 7, 7)

    def test_it_is_one_append_under_one_request(self, ledger: Ledger) -> None:
        ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")])
        connection = ledger.database.connection
        rows = connection.execute("SELECT first, last FROM iamledger.requests WHERE last > 1").fetchall()
        assert rows == [(2, 3)]
        recorded = store.read(connection, ACCOUNT, after=1)
        assert len(recorded) == 2
        assert len({json.dumps(event.context, default=str) for event in recorded}) == 1

    def test_a_second_rename_starts_from_the_first(self, ledger: Ledger) -> None:
        ledger.execute(create_user, name="alice")
        outcome = ledger.execute_all(
            [
                do(update_user, user="alice", new_name="bob"),
                do(update_user, user="bob", new_name="carol"),
                do(create_user, name="Alice"),
            ]
        )
        first, second, created = outcome.events
        assert isinstance(first, UserRenamed)
        assert isinstance(second, UserRenamed)
        assert isinstance(created, UserCreated)
        assert (second.user_id, second.old_user_name, second.user_name) == (first.user_id, "bob", "carol")
        assert created.user_id != first.user_id

    def test_names_can_be_swapped(self, ledger: Ledger) -> None:
        staff, guests = ledger.execute_all([do(create_group, name="staff"), do(create_group, name="guests")]).events
        ledger.execute_all(
            [
                do(update_group, group="staff", new_name="spare"),
                do(update_group, group="guests", new_name="staff"),
                do(update_group, group="spare", new_name="guests"),
            ]
        )
        (moved,) = ledger.execute(update_group, group="staff", new_path="/a/").events
        assert isinstance(staff, GroupCreated)
        assert moved.model_dump()["group_id"] == guests.model_dump()["group_id"] != staff.group_id

    def test_a_name_is_freed_and_taken_again_and_the_second_holder_is_acted_upon(self, ledger: Ledger) -> None:
        first = ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")]).events[0]
        assert isinstance(first, UserCreated)
        outcome = ledger.execute_all(
            [
                do(delete_user, user="alice"),
                do(create_user, name="alice"),
                do(add_user_to_group, user="alice", group="staff"),
                do(create_access_key, user="alice"),
            ]
        )
        deleted, second, member, key = outcome.events
        assert isinstance(deleted, UserDeleted)
        assert isinstance(second, UserCreated)
        assert isinstance(member, UserAddedToGroup)
        assert isinstance(key, AccessKeyCreated)
        assert deleted.user_id == first.user_id
        assert second.user_id == member.user_id == key.user_id != first.user_id
        assert secret_as_stored(ledger, key.access_key_id) == outcome.secrets[key.access_key_id]

    def test_one_that_is_created_and_deleted_leaves_the_name_to_another(self, ledger: Ledger) -> None:
        outcome = ledger.execute_all([do(create_user, name="alice"), do(delete_user, user="alice")] * 3)
        assert types(outcome) == ["UserCreated", "UserDeleted"] * 3
        assert len({event.ledger_tags()[0] for event in outcome.events}) == 3

    def test_the_second_holder_inherits_nothing_of_the_first(self, ledger: Ledger) -> None:
        ledger.execute_all([do(create_group, name="staff"), do(create_user, name="alice")])
        ledger.execute(add_user_to_group, user="alice", group="staff")
        outcome = ledger.execute_all(
            [
                do(remove_user_from_group, user="alice", group="staff"),
                do(delete_user, user="alice"),
                do(create_user, name="alice"),
                do(remove_user_from_group, user="alice", group="staff"),  # is in no group, so nothing changes
                do(delete_group, group="staff"),
            ]
        )
        assert types(outcome) == ["UserRemovedFromGroup", "UserDeleted", "UserCreated", "GroupDeleted"]

    def test_what_belongs_to_it_can_be_removed_before_it(self, ledger: Ledger) -> None:
        setup = [
            do(create_user, name="alice"),
            do(create_policy, name=ARN, document=policy_text()),
            do(create_policy_version, policy=ARN, document=policy_text()),
            do(put_user_permissions_boundary, user="alice", policy=ARN),
        ]
        ledger.execute_all(setup)
        with pytest.raises(DeleteConflict, match="attached to entities"):
            ledger.execute(delete_policy, policy=ARN)
        outcome = ledger.execute_all(
            [do(delete_user, user="alice"), do(set_default_policy_version, policy=ARN, version_id="v2")]
        )
        assert types(outcome) == ["UserPermissionsBoundaryDeleted", "UserDeleted", "DefaultPolicyVersionSet"]

    def test_a_command_that_changes_nothing_is_no_hindrance(self, ledger: Ledger) -> None:
        add = do(add_user_to_group, user="alice", group="staff")
        outcome = ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff"), add, add])
        assert types(outcome) == ["UserCreated", "GroupCreated", "UserAddedToGroup"]

    def test_several_secrets_are_told_and_kept(self, ledger: Ledger) -> None:
        outcome = ledger.execute_all([do(create_user, name="alice"), *[do(create_access_key, user="alice")] * 2])
        assert len(outcome.secrets) == len(set(outcome.secrets.values())) == 2
        for key_id, secret in outcome.secrets.items():
            assert secret_as_stored(ledger, key_id) == secret

    def test_how_many_are_done_is_told(self, ledger: Ledger) -> None:
        told: list[int] = []
        ledger.execute_all([do(create_user, name=f"user{n}") for n in range(4)], progress=told.append)
        assert told == [0, 1, 2, 3]

    def test_a_ledger_can_be_opened_together_with_its_first_things(self, database: store.Database) -> None:
        opened = new_ledger(database).execute_all(
            [
                do(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example"),
                do(import_managed_policy, name="arn:aws:iam::aws:policy/Billing", document=policy_text()),
                do(create_user, name="alice"),
            ]
        )
        assert types(opened) == ["AccountCreated", "ManagedPolicyImported", "UserCreated"]
        assert (opened.first, opened.last) == (1, 3)

    @pytest.mark.parametrize("fault", [None, "before", "after"])
    def test_also_with_a_key_whose_secret_can_be_opened(
        self, database: store.Database, points: Points, no_pauses: None, fault: str | None
    ) -> None:
        ledger = new_ledger(database)
        with points.disturbed(Disturbance(fault=fault)):
            opened = ledger.execute_all(
                [
                    do(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example"),
                    do(create_user, name="alice"),
                    do(create_access_key, user="alice"),
                ]
            )
        later = ledger.execute(create_access_key, user="alice")
        for key_id, secret in {**opened.secrets, **later.secrets}.items():
            assert secret_as_stored(ledger, key_id) == secret
        assert len(opened.secrets) == len(later.secrets) == 1


class TestAllOrNothing:
    @pytest.mark.parametrize(
        ("refused", "by"),
        [
            (do(create_user, name="ALICE"), EntityAlreadyExists),
            (do(add_user_to_group, user="alice", group="nobody"), NoSuchEntity),
            (do(create_group, name="x", path="not/a/path"), ValidationError),
            (do(create_user, name="not a name"), ValidationError),
        ],
    )
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_one_refusal_is_of_all(self, ledger: Ledger, refused: Command, by: type[Refusal], place: int) -> None:
        ledger.execute(create_user, name="alice")
        commands = [do(create_user, name="bob"), do(create_access_key, user="alice")]
        commands.insert(place, refused)
        with pytest.raises(by):
            new_ledger(ledger.database, request_id="r").execute_all(commands)
        assert head(ledger) == 2
        assert "r" not in fingerprints(ledger)
        assert ledger.database.connection.execute("SELECT FROM iamledger.secrets").fetchall() == []
        with pytest.raises(NoSuchEntity):
            ledger.execute(delete_user, user="bob")

    def test_the_first_refusal_is_told(self, ledger: Ledger) -> None:
        with pytest.raises(NoSuchEntity, match="user with name first cannot"):
            ledger.execute_all([do(delete_user, user="first"), do(delete_group, group="second")])

    def test_a_deletion_is_refused_for_what_came_before_it_in_the_batch(self, ledger: Ledger) -> None:
        ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")])
        with pytest.raises(DeleteConflict, match="must remove users from group first"):
            ledger.execute_all([do(add_user_to_group, user="alice", group="staff"), do(delete_group, group="staff")])
        assert head(ledger) == 3

    def test_a_name_that_the_batch_gave_away_is_gone(self, ledger: Ledger) -> None:
        ledger.execute(create_user, name="alice")
        with pytest.raises(NoSuchEntity, match="user with name alice cannot"):
            ledger.execute_all([do(update_user, user="alice", new_name="bob"), do(delete_user, user="alice")])
        with pytest.raises(EntityAlreadyExists, match="User with name BOB already exists"):
            ledger.execute_all([do(update_user, user="alice", new_name="bob"), do(create_user, name="BOB")])

    def test_what_a_later_command_creates_is_not_there_yet(self, ledger: Ledger) -> None:
        with pytest.raises(NoSuchEntity, match="group with name staff cannot"):
            ledger.execute_all([do(delete_group, group="staff"), do(create_group, name="staff")])

    def test_without_an_account_nothing_is_done(self, database: store.Database) -> None:
        with pytest.raises(NoSuchEntity, match=f"account with id {ACCOUNT} cannot be found"):
            new_ledger(database).execute_all([do(create_user, name="alice"), do(create_group, name="staff")])


class TestQuotasOverABatch:
    def users(self, *numbers: int) -> list[Command]:
        return [do(create_user, name=f"user{number}") for number in numbers]

    def test_users_of_the_batch_count(self, ledger: Ledger) -> None:
        small = under(ledger, users_per_account=3)
        small.execute(create_user, name="alice")
        with pytest.raises(LimitExceeded, match="UsersPerAccount: 3"):
            small.execute_all(self.users(1, 2, 3))
        assert head(ledger) == 2
        assert types(small.execute_all(self.users(1, 2))) == ["UserCreated"] * 2
        with pytest.raises(LimitExceeded):
            small.execute(create_user, name="one-more")

    def test_users_that_the_batch_deletes_make_room(self, ledger: Ledger) -> None:
        small = under(ledger, users_per_account=1)
        small.execute(create_user, name="user1")
        swap = [do(delete_user, user="user1"), *self.users(2), do(delete_user, user="user2"), *self.users(3)]
        assert types(small.execute_all(swap)) == ["UserDeleted", "UserCreated"] * 2
        with pytest.raises(LimitExceeded):
            small.execute_all([*self.users(4), do(delete_user, user="user3")])

    def test_users_that_were_deleted_before_the_first_is_counted_make_room(self, ledger: Ledger) -> None:
        small = under(ledger, users_per_account=2)
        small.execute_all(self.users(1, 2))
        both = [do(delete_user, user="user1"), do(delete_user, user="user2"), *self.users(3, 4)]
        small.execute_all(both)
        with pytest.raises(LimitExceeded):
            small.execute_all([do(delete_user, user="user3"), *self.users(5, 6)])

    def test_groups_and_policies_count_each_for_themselves(self, ledger: Ledger) -> None:
        small = under(ledger, users_per_account=1, groups_per_account=1, policies_per_account=1)
        policy = do(create_policy, name=ARN, document=policy_text())
        one_each = [do(create_user, name="alice"), do(create_group, name="staff"), policy]
        for more, name in (
            (do(create_user, name="b"), "Users"),
            (do(create_group, name="b"), "Groups"),
            (do(create_policy, name=OTHER_ARN, document=policy_text()), "Policies"),
        ):
            with pytest.raises(LimitExceeded, match=f"{name}PerAccount: 1"):
                small.execute_all([*one_each, more])
        assert len(small.execute_all(one_each).events) == 3

    def test_policies_of_aws_are_no_policies_of_the_account(self, ledger: Ledger) -> None:
        small = under(ledger, policies_per_account=1)
        imports = [
            do(import_managed_policy, name=f"arn:aws:iam::aws:policy/p{n}", document=policy_text()) for n in range(3)
        ]
        create = do(create_policy, name=ARN, document=policy_text())
        assert len(small.execute_all([*imports, create]).events) == 4
        with pytest.raises(LimitExceeded):
            small.execute(create_policy, name=OTHER_ARN, document=policy_text())

    def test_keys_of_the_batch_count_for_their_user(self, ledger: Ledger) -> None:
        keys = [do(create_access_key, user="alice")] * 3
        with pytest.raises(LimitExceeded, match="AccessKeysPerUser: 2"):
            ledger.execute_all([do(create_user, name="alice"), *keys])


class TestRepeats:
    COMMANDS = (do(create_user, name="alice"), do(create_group, name="staff"), do(create_access_key, user="alice"))

    def test_a_repeat_is_told_what_came_of_the_first_time(self, ledger: Ledger) -> None:
        first = new_ledger(ledger.database, request_id="r").execute_all(self.COMMANDS)
        ledger.execute(delete_group, group="staff")
        again = new_ledger(ledger.database, request_id="r").execute_all(self.COMMANDS)
        assert again.repeated
        assert not again.secrets
        assert list(again.events) == list(first.events)
        assert (again.first, again.last, head(ledger)) == (2, 4, 5)

    @pytest.mark.parametrize(
        "forged", ["first = 9, last = 8", "first = 5, last = 9", "first = 1", "first = 1, last = 1"]
    )
    def test_a_repeat_is_not_told_what_its_events_do_not_say(self, ledger: Ledger, urls: Urls, forged: str) -> None:
        ours = new_ledger(ledger.database, request_id="r")
        ours.execute_all(self.COMMANDS)
        with psycopg.connect(urls.superuser) as superuser:
            superuser.execute("SET session_replication_role = replica")
            superuser.execute(f"UPDATE iamledger.requests SET {forged} WHERE request_id = 'r'")
        with pytest.raises(ForgedRequest, match=r"The request id r is recorded for positions .* audit replay --verify"):
            ours.execute_all(self.COMMANDS)
        assert head(ledger) == 4

    @pytest.mark.parametrize(
        "other",
        [
            COMMANDS[:2],
            COMMANDS[:1],
            (COMMANDS[1], COMMANDS[0], COMMANDS[2]),
            (*COMMANDS, COMMANDS[2]),
            (do(create_user, name="Alice"), *COMMANDS[1:]),
            (do(create_user, name="alice", path="/"), *COMMANDS[1:]),
            (do(create_user, name="staff"), do(create_group, name="alice"), COMMANDS[2]),
        ],
    )
    def test_fewer_more_others_or_in_another_order_are_another_request(
        self, ledger: Ledger, other: Sequence[Command]
    ) -> None:
        new_ledger(ledger.database, request_id="r").execute_all(self.COMMANDS)
        with pytest.raises(IdempotentParameterMismatch, match=r"\(positions 2 to 4\)"):
            new_ledger(ledger.database, request_id="r").execute_all(other)
        assert head(ledger) == 4

    def test_one_command_alone_is_the_same_as_a_batch_of_it(self, ledger: Ledger) -> None:
        new_ledger(ledger.database, request_id="r").execute(create_user, name="alice")
        assert new_ledger(ledger.database, request_id="r").execute_all([do(create_user, name="alice")]).repeated

    def test_what_nobody_asked_for_makes_no_difference_in_the_command_that_says_so(self, ledger: Ledger) -> None:
        def batch(first: str, second: str) -> list[Command]:
            return [
                Command(create_user, {"name": "alice", "path": first}, {"path"}),
                Command(create_group, {"name": "staff", "path": second}),
            ]

        new_ledger(ledger.database, request_id="r").execute_all(batch("/a/", "/"))
        assert new_ledger(ledger.database, request_id="r").execute_all(batch("/b/", "/")).repeated
        with pytest.raises(IdempotentParameterMismatch):
            new_ledger(ledger.database, request_id="r").execute_all(batch("/a/", "/b/"))

    def test_the_fingerprint_does_not_depend_on_the_ids_that_were_drawn(self, ledger: Ledger) -> None:
        bound = [do(create_user, name="alice"), do(create_group, name="staff")]
        for request in ("r1", "r2"):
            with pytest.raises(NoSuchEntity):  # so that the next one can do the same
                new_ledger(ledger.database, request_id=request).execute_all([*bound, do(delete_user, user="nobody")])
        new_ledger(ledger.database, request_id="r1").execute_all(bound)
        ledger.execute_all([do(delete_user, user="alice"), do(delete_group, group="staff")])
        new_ledger(ledger.database, request_id="r2").execute_all(bound)
        found = fingerprints(ledger)
        assert found["r1"] == found["r2"]

    def test_a_lost_answer_is_made_up_for_with_the_secrets(
        self, ledger: Ledger, points: Points, no_pauses: None
    ) -> None:
        with points.disturbed(Disturbance(fault="after")):
            outcome = ledger.execute_all(self.COMMANDS)
        assert not outcome.repeated
        assert head(ledger) == 4
        ((key_id, secret),) = outcome.secrets.items()
        assert secret_as_stored(ledger, key_id) == secret

    def test_a_connection_that_was_lost_before_the_append_does_not_matter(
        self, ledger: Ledger, points: Points, no_pauses: None
    ) -> None:
        with points.disturbed(Disturbance(fault="before")):
            assert len(ledger.execute_all(self.COMMANDS).events) == 3
        assert head(ledger) == 4


def test_a_dry_run_of_several_tells_what_would_come_and_appends_nothing(ledger: Ledger) -> None:
    again = new_ledger(ledger.database, request_id="r")
    commands = [do(create_user, name="alice"), do(create_access_key, user="alice")]
    outcome = again.execute_all(commands, dry_run=True)
    assert types(outcome) == ["UserCreated", "AccessKeyCreated"]
    assert (outcome.first, outcome.last, dict(outcome.secrets)) == (None, None, {})
    assert head(ledger) == 1
    assert "r" not in fingerprints(ledger)
    assert not again.execute_all(commands).repeated
    with pytest.raises(NoSuchEntity):
        ledger.execute_all([do(delete_user, user="nobody")], dry_run=True)


class TestWhenOthersComeInBetween:
    """Somebody else appends between what a batch reads and its own append."""

    def interfered(
        self, ledger: Ledger, points: Points, others: Callable[[], object], commands: Sequence[Command]
    ) -> tuple[Outcome, int]:
        """What came of it, and how often the append conflicted."""
        happened, conflicts = iter([others]), [0]

        def interfere(point: str) -> None:
            if point == "append":
                with points.undisturbed():
                    next(happened, lambda: None)()

        def conflict() -> None:
            conflicts[0] += 1

        with points.disturbed(Disturbance(interfere, conflict)):
            outcome = ledger.execute_all(commands)
        return outcome, conflicts[0]

    def test_it_decides_again(self, ledger: Ledger, points: Points, no_pauses: None) -> None:
        ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")])
        outcome, conflicts = self.interfered(
            ledger,
            points,
            lambda: ledger.execute(add_user_to_group, user="alice", group="staff"),
            [do(create_user, name="bob"), *[do(add_user_to_group, user=u, group="staff") for u in ("bob", "alice")]],
        )
        assert conflicts == 1
        assert types(outcome) == ["UserCreated", "UserAddedToGroup"]  # alice was there already
        assert (outcome.first, outcome.last) == (5, 6)

    def test_and_refuses_all_if_a_later_command_cannot_be_done_any_more(
        self, ledger: Ledger, points: Points, no_pauses: None
    ) -> None:
        ledger.execute(create_group, name="staff")
        commands = [do(create_user, name="bob"), do(add_user_to_group, user="bob", group="staff")]
        with pytest.raises(NoSuchEntity, match="group with name staff"):
            self.interfered(ledger, points, lambda: ledger.execute(delete_group, group="staff"), commands)
        assert head(ledger) == 3

    def test_a_name_that_the_batch_creates_is_guarded(self, ledger: Ledger, points: Points, no_pauses: None) -> None:
        commands = [do(create_group, name="staff"), do(create_user, name="bob"), do(delete_group, group="staff")]
        with pytest.raises(EntityAlreadyExists, match="User with name bob already exists"):
            self.interfered(ledger, points, lambda: ledger.execute(create_user, name="BOB"), commands)
        assert head(ledger) == 2

    def test_the_first_holder_of_a_name_that_changes_hands_is_guarded(
        self, ledger: Ledger, points: Points, no_pauses: None
    ) -> None:
        ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")])
        commands = [do(delete_user, user="alice"), do(create_user, name="alice")]
        with pytest.raises(DeleteConflict, match="must remove user from groups first"):
            self.interfered(
                ledger, points, lambda: ledger.execute(add_user_to_group, user="alice", group="staff"), commands
            )

    def test_a_rename_in_between_is_seen(self, ledger: Ledger, points: Points, no_pauses: None) -> None:
        ledger.execute(create_group, name="staff")
        outcome, conflicts = self.interfered(
            ledger,
            points,
            lambda: ledger.execute(update_group, group="staff", new_name="STAFF"),
            [do(create_group, name="guests"), do(update_group, group="staff", new_name="all")],
        )
        assert conflicts == 1
        renamed = outcome.events[-1]
        assert isinstance(renamed, GroupRenamed)
        assert renamed.old_group_name == "STAFF"

    def test_what_does_not_matter_to_any_of_them_makes_no_conflict(
        self, ledger: Ledger, points: Points, no_pauses: None
    ) -> None:
        ledger.execute(create_group, name="staff")
        outcome, conflicts = self.interfered(
            ledger,
            points,
            lambda: ledger.execute_all([do(create_user, name="bob"), do(add_user_to_group, user="bob", group="staff")]),
            [do(create_user, name="alice"), do(add_user_to_group, user="alice", group="staff")],
        )
        assert conflicts == 0
        assert (outcome.first, outcome.last) == (5, 6)

    def test_the_keys_that_were_shown_are_those_that_are_kept(
        self, ledger: Ledger, points: Points, no_pauses: None
    ) -> None:
        outcome, conflicts = self.interfered(
            ledger,
            points,
            lambda: ledger.execute_all([do(create_user, name="alice"), do(delete_user, user="alice")]),
            [do(create_user, name="alice"), do(create_access_key, user="alice")],
        )
        assert conflicts == 1
        ((key_id, secret),) = outcome.secrets.items()
        assert secret_as_stored(ledger, key_id) == secret

    def test_who_is_always_disturbed_gives_up(self, ledger: Ledger, points: Points, no_pauses: None) -> None:
        ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")])
        flips = [0]

        def interfere(point: str) -> None:
            if point == "append":
                flips[0] += 1
                with points.undisturbed():
                    ledger.execute(update_group, group="staff", new_path=f"/{flips[0]}/")

        with points.disturbed(Disturbance(interfere)), pytest.raises(Conflict, match="nothing was done"):
            ledger.execute_all([do(create_user, name="bob"), do(add_user_to_group, user="alice", group="staff")])
        assert flips[0] == CONFLICT_ATTEMPTS
        assert head(ledger) == 3 + CONFLICT_ATTEMPTS


class TestReads:
    """The store is asked once for what was known to be needed, then only for what the batch has come upon."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[set[tuple[str, str]]]:
        """What each read asked for, as pairs of a tag and a type."""
        real, reads = store.read_boundary, []

        def read_boundary(connection: Any, account_id: str, request_id: str, query: store.Query) -> store.Boundary:
            assert query, "nothing is asked for, which means everything"
            reads.append({(tag, type_) for item in query for tag in item.tags for type_ in item.types})
            return real(connection, account_id, request_id, query)

        monkeypatch.setattr(store, "read_boundary", read_boundary)
        return reads

    def test_no_commands_ask_for_nothing(self, ledger: Ledger, asked: list[set[tuple[str, str]]]) -> None:
        asked.clear()
        assert ledger.execute_all([]) == Outcome([])
        assert asked == []

    def test_nothing_is_asked_for_twice(self, ledger: Ledger, asked: list[set[tuple[str, str]]]) -> None:
        ledger.execute_all([do(create_user, name="alice"), do(create_group, name="staff")])
        asked.clear()
        ledger.execute_all(
            [
                do(add_user_to_group, user="alice", group="staff"),
                do(remove_user_from_group, user="alice", group="staff"),
                do(update_user, user="alice", new_name="bob"),
                do(create_user, name="alice"),
                do(add_user_to_group, user="alice", group="staff"),
                do(add_user_to_group, user="bob", group="staff"),
                do(remove_user_from_group, user="bob", group="staff"),
                do(delete_user, user="bob"),
            ]
        )
        assert sum(map(len, asked)) == len(set().union(*asked))

    def test_a_batch_about_what_is_there_takes_two_reads_however_long_it_is(
        self, ledger: Ledger, asked: list[set[tuple[str, str]]]
    ) -> None:
        names = [f"user{n}" for n in range(20)]
        ledger.execute_all([do(create_group, name="staff"), *[do(create_user, name=name) for name in names]])
        asked.clear()
        ledger.execute_all([do(add_user_to_group, user=name, group="staff") for name in names])
        assert len(asked) == 2

    def test_the_append_is_conditional_on_all_that_was_asked_for(
        self, ledger: Ledger, asked: list[set[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, conditions = store.append, []

        def append(*arguments: Any, **named: Any) -> store.Appended:
            conditions.append(
                {(tag, t) for item in named["condition"].boundary for tag in item.tags for t in item.types}
            )
            return real(*arguments, **named)

        monkeypatch.setattr(store, "append", append)
        user, group, _ = ledger.execute_all(
            [
                do(create_user, name="alice"),
                do(create_group, name="staff"),
                do(add_user_to_group, user="alice", group="staff"),
            ]
        ).events
        (condition,) = conditions
        assert isinstance(user, UserCreated)
        assert isinstance(group, GroupCreated)
        made = {tag for tag, _ in condition - set().union(*asked)}  # nobody else can have said anything of these
        assert set().union(*asked) <= condition
        assert made == {f"user:{user.user_id}", f"group:{group.group_id}"}


OPENING = Command(create_account, {"account": ACCOUNT, "account_name": "acme", "email": "root@acme.example"})
ALICE = [Command(create_user, {"name": "alice"}), Command(create_access_key, {"user": "alice"})]


def test_a_batch_can_open_a_ledger_and_issue_a_secret(database: store.Database) -> None:
    outcome = new_ledger(database).execute_all([OPENING, *ALICE])
    ((key_id, secret),) = outcome.secrets.items()
    assert secret_as_stored(new_ledger(database), key_id) == secret


def test_a_ledger_begins_with_its_account_also_in_a_batch(database: store.Database) -> None:
    with pytest.raises(Refusal) as refused:
        new_ledger(database).execute_all([*ALICE, OPENING])
    assert refused.value.code == "NoSuchEntity"
    with pytest.raises(store.NoLedger):
        store.head(database.connection, ACCOUNT)


def test_a_batch_of_which_one_is_refused_does_nothing(ledger: Ledger) -> None:
    with pytest.raises(Refusal, match="alice already exists"):
        ledger.execute_all([*ALICE, Command(create_user, {"name": "bob"}), ALICE[0]])
    assert store.head(ledger.database.connection, ACCOUNT).position == 1
    assert ledger.database.connection.execute("SELECT count(*) FROM iamledger.secrets").fetchone() == (0,)
