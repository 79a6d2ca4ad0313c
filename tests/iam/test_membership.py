"""The decisions about memberships: which users are in which groups."""

from __future__ import annotations

import pytest

from iamledger.decisions import Decision
from iamledger.iam.events import Event
from iamledger.iam.group import GroupCreated, GroupDeleted, GroupRenamed
from iamledger.iam.membership import (
    UserAddedToGroup,
    UserRemovedFromGroup,
    add_user_to_group,
    move_user,
    remove_user_from_group,
)
from iamledger.iam.refusals import DeleteConflict, InvalidInput, LimitExceeded, NoSuchEntity
from iamledger.iam.user import UserCreated, UserDeleted, UserRenamed, delete_user
from specification import Given, given

U, V = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
A, B = "AGPAAAAAAAAAAAAAAAAAA", "AGPABBBBBBBBBBBBBBBBB"
ALICE = UserCreated(user_id=U, user_name="Alice", path="/")
BOB = UserCreated(user_id=V, user_name="bob", path="/")
ADMINS = GroupCreated(group_id=A, group_name="Admins", path="/")
BUILDERS = GroupCreated(group_id=B, group_name="builders", path="/")
START = given(ALICE, BOB, ADMINS, BUILDERS)
ADDED = UserAddedToGroup(user_id=U, group_id=A)
REMOVED = UserRemovedFromGroup(user_id=U, group_id=A)
NO_USER = NoSuchEntity("The user with name alice cannot be found.")
NO_GROUP = NoSuchEntity("The group with name admins cannot be found.")


def in_groups(number: int) -> Given:
    """Alice is in so many groups, but neither among admins nor among builders."""
    groups: list[Event] = []
    for n in range(number):
        groups.append(GroupCreated(group_id=f"AGPA{n:017}", group_name=f"group{n}", path="/"))
        groups.append(UserAddedToGroup(user_id=U, group_id=f"AGPA{n:017}"))
    return START.followed_by(groups)


class TestAdd:
    def test_a_user_becomes_a_member(self) -> None:
        START.when(add_user_to_group, user="alice", group="ADMINS").then(ADDED)

    def test_doing_it_twice_changes_nothing(self) -> None:
        START.when(add_user_to_group, user="alice", group="admins").again().then()

    def test_it_is_found_by_the_user_and_by_the_group(self) -> None:
        assert ADDED.ledger_tags() == [f"user:{U}", f"group:{A}"]
        assert REMOVED.ledger_tags() == [f"user:{U}", f"group:{A}"]

    def test_of_several_groups_and_a_group_of_several_users(self) -> None:
        past = START.followed_by([ADDED])
        past.when(add_user_to_group, user="alice", group="builders").then(UserAddedToGroup(user_id=U, group_id=B))
        past.when(add_user_to_group, user="bob", group="admins").then(UserAddedToGroup(user_id=V, group_id=A))

    def test_after_a_removal_once_more(self) -> None:
        START.followed_by([ADDED, REMOVED]).when(add_user_to_group, user="alice", group="admins").then(ADDED)

    def test_ten_groups_are_the_most(self) -> None:
        in_groups(9).when(add_user_to_group, user="alice", group="admins").then(ADDED)
        in_groups(10).when(add_user_to_group, user="alice", group="admins").then(
            LimitExceeded("Cannot exceed quota for GroupsPerUser: 10")
        )

    def test_the_quota_is_a_setting_and_each_users_own(self) -> None:
        past = START.followed_by([ADDED]).under(groups_per_user=1)
        past.when(add_user_to_group, user="alice", group="builders").then(
            LimitExceeded("Cannot exceed quota for GroupsPerUser: 1")
        )
        past.when(add_user_to_group, user="bob", group="builders").then(UserAddedToGroup(user_id=V, group_id=B))

    def test_a_group_that_was_left_does_not_count(self) -> None:
        past = START.followed_by([ADDED, REMOVED]).under(groups_per_user=1)
        past.when(add_user_to_group, user="alice", group="builders").then(UserAddedToGroup(user_id=U, group_id=B))

    def test_being_there_already_is_no_matter_of_the_quota(self) -> None:
        full = in_groups(10)
        full.when(add_user_to_group, user="alice", group="group3").then()

    def test_a_group_has_any_number_of_users(self) -> None:
        members = [UserAddedToGroup(user_id=f"AIDA{n:017}", group_id=A) for n in range(100)]
        START.followed_by(members).when(add_user_to_group, user="alice", group="admins").then(ADDED)

    def test_both_keep_their_membership_when_they_are_renamed(self) -> None:
        user = UserRenamed(user_id=U, old_user_name="Alice", user_name="carol")
        group = GroupRenamed(group_id=A, old_group_name="Admins", group_name="staff")
        START.followed_by([ADDED, user, group]).when(add_user_to_group, user="carol", group="staff").then()

    def test_a_membership_is_not_inherited_by_the_next_holder_of_a_name(self) -> None:
        again = UserCreated(user_id="AIDACCCCCCCCCCCCCCCCC", user_name="alice", path="/")
        past = START.followed_by([ADDED, REMOVED, UserDeleted(user_id=U, user_name="Alice"), again])
        past.when(add_user_to_group, user="alice", group="admins").then(
            UserAddedToGroup(user_id=again.user_id, group_id=A)
        )


class TestRemove:
    def test_a_membership_ends(self) -> None:
        START.followed_by([ADDED]).when(remove_user_from_group, user="ALICE", group="admins").then(
            REMOVED
        ).again().then()

    def test_without_a_membership_nothing_changes(self) -> None:
        START.when(remove_user_from_group, user="alice", group="admins").then()
        START.followed_by([ADDED]).when(remove_user_from_group, user="alice", group="builders").then()
        START.followed_by([ADDED]).when(remove_user_from_group, user="bob", group="admins").then()


class TestMove:
    def test_a_user_changes_groups(self) -> None:
        START.followed_by([ADDED]).when(move_user, user="alice", source="admins", target="Builders").then(
            REMOVED, UserAddedToGroup(user_id=U, group_id=B)
        )

    def test_moving_again_finds_no_membership(self) -> None:
        START.followed_by([ADDED]).when(move_user, user="alice", source="ADMINS", target="builders").again().then(
            NoSuchEntity("The user Alice is not in the group Admins.")
        )

    def test_there_and_back(self) -> None:
        there = START.followed_by([ADDED]).when(move_user, user="alice", source="admins", target="builders")
        there.after.when(move_user, user="alice", source="builders", target="admins").then(
            UserRemovedFromGroup(user_id=U, group_id=B), ADDED
        )

    def test_who_is_in_the_other_group_already_only_leaves(self) -> None:
        both = START.followed_by([ADDED, UserAddedToGroup(user_id=U, group_id=B)])
        both.when(move_user, user="alice", source="admins", target="builders").then(REMOVED)

    def test_who_is_only_in_the_other_group_is_refused(self) -> None:
        START.followed_by([UserAddedToGroup(user_id=U, group_id=B)]).when(
            move_user, user="alice", source="admins", target="builders"
        ).then(NoSuchEntity("The user Alice is not in the group Admins."))

    def test_it_needs_no_room(self) -> None:
        full = in_groups(10)
        full.when(move_user, user="alice", source="group3", target="admins").then(
            UserRemovedFromGroup(user_id=U, group_id=f"AGPA{3:017}"), ADDED
        )

    @pytest.mark.parametrize("past", [[], [ADDED]])
    def test_into_the_same_group_is_refused(self, past: list[Event]) -> None:
        START.followed_by(past).when(move_user, user="alice", source="admins", target="ADMINS").then(
            InvalidInput("Admins and Admins are the same group.")
        )

    @pytest.mark.parametrize(("source", "target"), [("admins", "nobody"), ("nobody", "admins"), ("nobody", "nobody")])
    def test_a_group_that_is_not_there_is_refused(self, source: str, target: str) -> None:
        START.followed_by([ADDED]).when(move_user, user="alice", source=source, target=target).then(
            NoSuchEntity("The group with name nobody cannot be found.")
        )


@pytest.mark.parametrize(
    ("decision", "groups"),
    [
        (add_user_to_group, {"group": "admins"}),
        (remove_user_from_group, {"group": "admins"}),
        (move_user, {"source": "admins", "target": "builders"}),
    ],
)
class TestBoth:
    """What holds for every decision about a membership."""

    @pytest.mark.parametrize(
        "past", [[ADMINS, BUILDERS], [ADMINS, BUILDERS, ALICE, UserDeleted(user_id=U, user_name="Alice")]]
    )
    def test_a_user_who_is_not_there_is_refused(
        self, past: list[Event], decision: Decision, groups: dict[str, str]
    ) -> None:
        given(*past).when(decision, user="alice", **groups).then(NO_USER)

    @pytest.mark.parametrize(
        "past", [[ALICE, BUILDERS], [ALICE, BUILDERS, ADMINS, GroupDeleted(group_id=A, group_name="Admins")]]
    )
    def test_a_group_that_is_not_there_is_refused(
        self, past: list[Event], decision: Decision, groups: dict[str, str]
    ) -> None:
        given(*past).when(decision, user="alice", **groups).then(NO_GROUP)

    def test_only_what_may_change_the_membership_is_looked_at(self, decision: Decision, groups: dict[str, str]) -> None:
        """Others that join the group do not get in the way: its other members are not read."""
        asked = {item.tags[0]: set(item.types) for item in START.when(decision, user="alice", **groups).boundary}
        assert asked[f"user:{U}"] >= {"UserAddedToGroup", "UserRemovedFromGroup"}
        assert asked[f"group:{A}"] == {"GroupCreated", "GroupRenamed", "GroupPathChanged"}


class TestDeletionOfAUser:
    def test_memberships_must_be_gone_first(self) -> None:
        past = START.followed_by([ADDED, UserAddedToGroup(user_id=U, group_id=B)])
        refusal = DeleteConflict("Cannot delete entity, must remove user from groups first.")
        past.when(delete_user, user="alice").then(refusal)
        past.followed_by([REMOVED]).when(delete_user, user="alice").then(refusal)
        past.followed_by([REMOVED, UserRemovedFromGroup(user_id=U, group_id=B)]).when(delete_user, user="alice").then(
            UserDeleted(user_id=U, user_name="Alice")
        )

    def test_others_memberships_do_not_matter(self) -> None:
        START.followed_by([ADDED]).when(delete_user, user="bob").then(UserDeleted(user_id=V, user_name="bob"))
