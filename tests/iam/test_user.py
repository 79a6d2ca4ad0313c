"""The decisions about users: creation, renaming and moving, tags, deletion."""

from __future__ import annotations

import pytest

from iamledger.iam.access_key import AccessKeyCreated, AccessKeyDeactivated, AccessKeyRevoked, RevocationReason
from iamledger.iam.events import Event
from iamledger.iam.refusals import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from iamledger.iam.user import (
    UserCreated,
    UserDeleted,
    UserPathChanged,
    UserRenamed,
    UserTagged,
    UserUntagged,
    create_user,
    delete_user,
    tag_user,
    untag_user,
    update_user,
)
from specification import given, user_id

A, B = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
KEY = "AKIAAAAAAAAAAAAAAAAA"
ALICE = UserCreated(user_id=A, user_name="Alice", path="/eng/")
BOB = UserCreated(user_id=B, user_name="bob", path="/")
DELETED = UserDeleted(user_id=A, user_name="Alice")
NOT_FOUND = NoSuchEntity("The user with name alice cannot be found.")
TAGS = [("Team", "x"), ("cost", "1")]
TAGGED = UserTagged(user_id=A, tags=TAGS)
FIFTY = [(f"key{n}", "") for n in range(50)]


def renamed(old: str, new: str, user: str = A) -> UserRenamed:
    return UserRenamed(user_id=user, old_user_name=old, user_name=new)


class TestCreate:
    def test_a_user_is_created_with_a_new_id(self) -> None:
        given(BOB).when(create_user, name="Alice", path="/eng/", tags=[("team", "x")]).then(
            UserCreated(user_id=user_id(1), user_name="Alice", path="/eng/", tags=[("team", "x")])
        )

    def test_path_and_tags_may_be_left_out(self) -> None:
        given().when(create_user, name="Alice").then(
            UserCreated(user_id=user_id(0), user_name="Alice", path="/", tags=[])
        )

    def test_creating_it_again_is_refused(self) -> None:
        given().when(create_user, name="Alice").again().then(
            EntityAlreadyExists("User with name Alice already exists.")
        )

    @pytest.mark.parametrize("name", ["Alice", "alice", "ALICE"])
    def test_a_name_is_taken_in_whatever_case(self, name: str) -> None:
        given(ALICE).when(create_user, name=name).then(EntityAlreadyExists(f"User with name {name} already exists."))

    @pytest.mark.parametrize("name", ["carol", "CAROL"])
    def test_the_new_name_of_a_renamed_user_is_taken(self, name: str) -> None:
        given(ALICE, renamed("Alice", "Carol")).when(create_user, name=name).then(
            EntityAlreadyExists(f"User with name {name} already exists.")
        )

    def test_the_old_name_of_a_renamed_user_is_free(self) -> None:
        given(ALICE, renamed("Alice", "carol")).when(create_user, name="alice").then(
            UserCreated(user_id=user_id(2), user_name="alice", path="/", tags=[])
        )

    def test_the_name_of_a_user_in_another_case_is_still_taken_after_renaming(self) -> None:
        given(ALICE, renamed("Alice", "ALICE")).when(create_user, name="alice").then(
            EntityAlreadyExists("User with name alice already exists.")
        )

    def test_recreation_after_deletion_gets_a_new_id_and_inherits_nothing(self) -> None:
        past = [ALICE, UserTagged(user_id=A, tags=[("team", "x")]), DELETED]
        again = (
            given(*past)
            .when(create_user, name="alice")
            .then(UserCreated(user_id=user_id(3), user_name="alice", path="/", tags=[]))
        )
        assert again.events[0].model_dump()["user_id"] != A
        again.after.when(untag_user, user="alice", keys=["team"]).then()
        again.after.when(update_user, user="alice", new_path="/eng/").then(
            UserPathChanged(user_id=user_id(3), path="/eng/")
        )

    def test_the_quota_over_the_account_is_a_setting(self) -> None:
        two = given(ALICE, BOB)
        two.under(users_per_account=3).when(create_user, name="carol").then(
            UserCreated(user_id=user_id(2), user_name="carol", path="/", tags=[])
        )
        two.under(users_per_account=2).when(create_user, name="carol").then(
            LimitExceeded("Cannot exceed quota for UsersPerAccount: 2")
        )

    def test_a_deleted_user_does_not_count(self) -> None:
        given(ALICE, BOB, DELETED).under(users_per_account=2).when(create_user, name="carol").then(
            UserCreated(user_id=user_id(3), user_name="carol", path="/", tags=[])
        )

    def test_fifty_tags_are_the_most(self) -> None:
        given().when(create_user, name="a", tags=FIFTY).then(
            UserCreated(user_id=user_id(0), user_name="a", path="/", tags=FIFTY)
        )
        given().when(create_user, name="a", tags=[*FIFTY, ("one more", "")]).then(
            LimitExceeded("Cannot exceed quota for TagsPerUser: 50")
        )

    def test_a_new_name_has_64_characters_at_most(self) -> None:
        given().when(create_user, name="x" * 64).then(
            UserCreated(user_id=user_id(0), user_name="x" * 64, path="/", tags=[])
        )
        given().when(create_user, name="x" * 65).then(
            ValidationError(
                f"1 validation error detected: Value '{'x' * 65}' at 'userName' failed to satisfy constraint:"
                " Member must have length less than or equal to 64"
            )
        )


class TestUpdate:
    def test_a_user_is_renamed(self) -> None:
        given(ALICE).when(update_user, user="alice", new_name="Carol").then(renamed("Alice", "Carol"))

    def test_a_user_is_moved(self) -> None:
        given(ALICE).when(update_user, user="ALICE", new_path="/").then(UserPathChanged(user_id=A, path="/"))

    def test_both_at_once(self) -> None:
        given(ALICE).when(update_user, user="alice", new_name="Carol", new_path="/ops/").then(
            UserPathChanged(user_id=A, path="/ops/"), renamed("Alice", "Carol")
        )

    def test_both_names_are_tags(self) -> None:
        assert renamed("Alice", "Carol").ledger_tags() == [f"user:{A}", "user-name:alice", "user-name:carol"]

    @pytest.mark.parametrize("wishes", [{}, {"new_name": "Alice"}, {"new_path": "/eng/"}])
    def test_what_changes_nothing_yields_nothing(self, wishes: dict[str, str]) -> None:
        given(ALICE).when(update_user, user="alice", **wishes).then()

    def test_to_another_case_of_the_own_name(self) -> None:
        update = given(ALICE).when(update_user, user="alice", new_name="ALICE").then(renamed("Alice", "ALICE"))
        update.again().then()

    def test_moving_again_yields_nothing(self) -> None:
        given(ALICE).when(update_user, user="alice", new_path="/ops/").again().then()

    def test_renaming_again_finds_the_old_name_no_more(self) -> None:
        given(ALICE).when(update_user, user="alice", new_name="Carol").again().then(NOT_FOUND)

    def test_renaming_there_and_back(self) -> None:
        past = given(ALICE, renamed("Alice", "carol"), renamed("carol", "alice"))
        past.when(update_user, user="Alice", new_name="dave").then(renamed("alice", "dave"))
        past.when(create_user, name="carol").then(UserCreated(user_id=user_id(3), user_name="carol", path="/", tags=[]))

    @pytest.mark.parametrize("name", ["bob", "BOB"])
    def test_onto_a_taken_name_is_refused(self, name: str) -> None:
        given(ALICE, BOB).when(update_user, user="alice", new_name=name, new_path="/ops/").then(
            EntityAlreadyExists(f"User with name {name} already exists.")
        )

    def test_onto_a_name_that_was_freed(self) -> None:
        freed = given(ALICE, BOB, UserDeleted(user_id=B, user_name="bob"))
        freed.when(update_user, user="alice", new_name="bob").then(renamed("Alice", "bob"))

    def test_the_name_goes_with_the_user_who_took_it(self) -> None:
        swapped = given(ALICE, BOB, renamed("Alice", "carol"), renamed("bob", "alice", B))
        swapped.when(update_user, user="Alice", new_path="/x/").then(UserPathChanged(user_id=B, path="/x/"))
        swapped.when(update_user, user="Carol", new_path="/x/").then(UserPathChanged(user_id=A, path="/x/"))

    @pytest.mark.parametrize("past", [[], [BOB], [ALICE, DELETED], [ALICE, renamed("Alice", "carol")]])
    def test_a_name_that_nobody_has_is_refused(self, past: list[Event]) -> None:
        given(*past).when(update_user, user="alice", new_path="/").then(NOT_FOUND)

    @pytest.mark.parametrize("wishes", [{"new_name": ""}, {"new_name": "x" * 65}, {"new_path": ""}, {"new_path": "x"}])
    def test_malformed_wishes_are_refused(self, wishes: dict[str, str]) -> None:
        assert isinstance(given(ALICE).when(update_user, user="alice", **wishes).outcome, ValidationError)


class TestTags:
    def test_tags_are_set(self) -> None:
        given(ALICE).when(tag_user, user="alice", tags=[("team", "x")]).then(
            UserTagged(user_id=A, tags=[("team", "x")])
        ).again().then()

    def test_a_key_in_another_case_gets_the_new_value_and_spelling(self) -> None:
        given(ALICE, TAGGED).when(tag_user, user="alice", tags=[("TEAM", "y"), ("new", "")]).then(
            UserTagged(user_id=A, tags=[("cost", "1"), ("TEAM", "y"), ("new", "")])
        ).again().then()

    def test_tags_of_the_creation_count(self) -> None:
        created = ALICE.model_copy(update={"tags": [("Team", "x")]})
        given(created).when(tag_user, user="alice", tags=[("cost", "1")]).then(
            UserTagged(user_id=A, tags=[("Team", "x"), ("cost", "1")])
        )

    def test_setting_what_is_set_changes_nothing(self) -> None:
        given(ALICE, TAGGED).when(tag_user, user="alice", tags=[("cost", "1")]).then()

    @pytest.mark.parametrize("tag", [("team", "x"), ("Team", "X")])
    def test_another_spelling_or_value_is_a_change(self, tag: tuple[str, str]) -> None:
        given(ALICE, TAGGED).when(tag_user, user="alice", tags=[tag]).then(
            UserTagged(user_id=A, tags=[("cost", "1"), tag])
        )

    def test_fifty_are_the_most(self) -> None:
        given(ALICE, TAGGED).when(tag_user, user="alice", tags=FIFTY[:48]).then(
            UserTagged(user_id=A, tags=[*TAGS, *FIFTY[:48]])
        )
        given(ALICE, TAGGED).when(tag_user, user="alice", tags=FIFTY[:49]).then(
            LimitExceeded("Cannot exceed quota for TagsPerUser: 50")
        )

    def test_one_that_is_replaced_does_not_count_twice(self) -> None:
        full = UserTagged(user_id=A, tags=FIFTY)
        given(ALICE, full).when(tag_user, user="alice", tags=[("KEY0", "new")]).then(
            UserTagged(user_id=A, tags=[*FIFTY[1:], ("KEY0", "new")])
        )
        given(ALICE, full).when(tag_user, user="alice", tags=[("another", "")]).then(
            LimitExceeded("Cannot exceed quota for TagsPerUser: 50")
        )

    def test_the_quota_is_a_setting(self) -> None:
        given(ALICE).under(tags_per_resource=1).when(tag_user, user="alice", tags=FIFTY[:2]).then(
            LimitExceeded("Cannot exceed quota for TagsPerUser: 1")
        )

    @pytest.mark.parametrize(("decision", "wish"), [(create_user, "tags"), (tag_user, "tags"), (untag_user, "keys")])
    @pytest.mark.parametrize(
        ("keys", "refusal"),
        [
            (["a", "A"], "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
            (["b", "aws:x"], "Tag keys that start with aws: are reserved for the system."),
            (["AWS:x"], "Tag keys that start with aws: are reserved for the system."),
        ],
    )
    def test_keys_that_make_no_sense_are_refused(
        self, decision: object, wish: str, keys: list[str], refusal: str
    ) -> None:
        wishes = {wish: keys if wish == "keys" else [(key, "v") for key in keys]}
        who = {"name": "carol"} if decision is create_user else {"user": "alice"}
        given(ALICE).when(decision, **who, **wishes).then(InvalidInput(refusal))  # type: ignore[arg-type]

    def test_tags_are_removed_in_whatever_case(self) -> None:
        given(ALICE, TAGGED).when(untag_user, user="alice", keys=["TEAM", "unknown"]).then(
            UserUntagged(user_id=A, tags=[("cost", "1")])
        ).again().then()

    def test_removed_tags_are_gone_for_the_next_decision(self) -> None:
        past = given(ALICE, TAGGED, UserUntagged(user_id=A, tags=[("cost", "1")]))
        past.when(tag_user, user="alice", tags=[("new", "")]).then(
            UserTagged(user_id=A, tags=[("cost", "1"), ("new", "")])
        )

    def test_erased_tags_read_as_none(self) -> None:
        given(ALICE, UserTagged(user_id=A, tags=None)).when(tag_user, user="alice", tags=[("new", "")]).then(
            UserTagged(user_id=A, tags=[("new", "")])
        )

    def test_a_user_who_is_gone_is_refused(self) -> None:
        given(ALICE, DELETED).when(tag_user, user="alice", tags=[("a", "b")]).then(NOT_FOUND)
        given(ALICE, DELETED).when(untag_user, user="alice", keys=["a"]).then(NOT_FOUND)


class TestDelete:
    def test_a_user_is_deleted_and_its_name_is_free(self) -> None:
        given(ALICE).when(delete_user, user="alice").then(DELETED).again().then(NOT_FOUND)

    def test_it_is_deleted_under_its_present_name(self) -> None:
        given(ALICE, renamed("Alice", "carol")).when(delete_user, user="CAROL").then(
            UserDeleted(user_id=A, user_name="carol")
        )

    @pytest.mark.parametrize("more", [[], [AccessKeyDeactivated(access_key_id=KEY, user_id=A)]])
    def test_keys_must_be_gone_first(self, more: list[Event]) -> None:
        key = AccessKeyCreated(access_key_id=KEY, user_id=A)
        given(ALICE, BOB, key, *more).when(delete_user, user="alice").then(
            DeleteConflict("Cannot delete entity, must delete access keys first.")
        )
        given(ALICE, BOB, key, *more).when(delete_user, user="bob").then(UserDeleted(user_id=B, user_name="bob"))

    def test_keys_that_were_revoked_are_gone(self) -> None:
        key = AccessKeyCreated(access_key_id=KEY, user_id=A)
        revoked = AccessKeyRevoked(access_key_id=KEY, user_id=A, revocation_reason=RevocationReason.UNSPECIFIED)
        given(ALICE, key, revoked).when(delete_user, user="alice").then(DELETED)

    def test_recreated_and_deleted_once_more(self) -> None:
        again = UserCreated(user_id=B, user_name="ALICE", path="/")
        given(ALICE, DELETED, again).when(delete_user, user="alice").then(UserDeleted(user_id=B, user_name="ALICE"))
