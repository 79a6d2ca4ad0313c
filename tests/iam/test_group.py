"""The decisions about groups: creation, renaming and moving, deletion."""

from __future__ import annotations

import pytest

from iamledger.iam.attachment import GroupPolicyAttached, GroupPolicyDetached
from iamledger.iam.events import Event
from iamledger.iam.group import (
    GroupCreated,
    GroupDeleted,
    GroupPathChanged,
    GroupRenamed,
    create_group,
    delete_group,
    update_group,
)
from iamledger.iam.inline_policy import GroupPolicyDeleted, GroupPolicyPut
from iamledger.iam.managed_policy import PolicyCreated
from iamledger.iam.membership import UserAddedToGroup, UserRemovedFromGroup, add_user_to_group
from iamledger.iam.refusals import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity, ValidationError
from iamledger.iam.user import UserCreated, create_user
from specification import given, new_id, policy_text, user_id

A, B = "AGPAAAAAAAAAAAAAAAAAA", "AGPABBBBBBBBBBBBBBBBB"
U, V = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
P = "ANPAAAAAAAAAAAAAAAAAA"
ARN = "arn:aws:iam::123456789012:policy/deployers"
ADMINS = GroupCreated(group_id=A, group_name="Admins", path="/ops/")
BUILDERS = GroupCreated(group_id=B, group_name="builders", path="/")
ALICE = UserCreated(user_id=U, user_name="alice", path="/")
DELETED = GroupDeleted(group_id=A, group_name="Admins")
MEMBER = UserAddedToGroup(user_id=U, group_id=A)
ATTACHED = GroupPolicyAttached(group_id=A, policy_id=P, policy_arn=ARN)
INLINE = GroupPolicyPut(group_id=A, policy_name="own", document=policy_text())
NOT_FOUND = NoSuchEntity("The group with name admins cannot be found.")


def created(number: int, name: str, path: str = "/") -> GroupCreated:
    return GroupCreated(group_id=new_id("AGPA", number), group_name=name, path=path)


def renamed(old: str, new: str, group: str = A) -> GroupRenamed:
    return GroupRenamed(group_id=group, old_group_name=old, group_name=new)


class TestCreate:
    def test_a_group_is_created_with_a_new_id(self) -> None:
        given(BUILDERS).when(create_group, name="Admins", path="/ops/").then(created(1, "Admins", "/ops/"))

    def test_the_path_may_be_left_out(self) -> None:
        given().when(create_group, name="Admins").then(created(0, "Admins"))

    def test_creating_it_again_is_refused(self) -> None:
        given().when(create_group, name="Admins").again().then(
            EntityAlreadyExists("Group with name Admins already exists.")
        )

    @pytest.mark.parametrize("name", ["Admins", "admins", "ADMINS"])
    def test_a_name_is_taken_in_whatever_case(self, name: str) -> None:
        given(ADMINS).when(create_group, name=name).then(EntityAlreadyExists(f"Group with name {name} already exists."))

    @pytest.mark.parametrize("name", ["staff", "STAFF"])
    def test_the_new_name_of_a_renamed_group_is_taken(self, name: str) -> None:
        given(ADMINS, renamed("Admins", "Staff")).when(create_group, name=name).then(
            EntityAlreadyExists(f"Group with name {name} already exists.")
        )

    def test_the_old_name_of_a_renamed_group_is_free(self) -> None:
        given(ADMINS, renamed("Admins", "staff")).when(create_group, name="admins").then(created(2, "admins"))

    def test_the_name_of_a_group_in_another_case_is_still_taken_after_renaming(self) -> None:
        given(ADMINS, renamed("Admins", "ADMINS")).when(create_group, name="admins").then(
            EntityAlreadyExists("Group with name admins already exists.")
        )

    def test_users_and_groups_may_have_the_same_name(self) -> None:
        given(ALICE).when(create_group, name="alice").then(created(1, "alice"))
        given(ADMINS).when(create_user, name="admins").then(
            UserCreated(user_id=user_id(1), user_name="admins", path="/", tags=[])
        )

    def test_recreation_after_deletion_gets_a_new_id_and_inherits_nothing(self) -> None:
        past = given(ADMINS, ALICE, MEMBER, UserRemovedFromGroup(user_id=U, group_id=A), DELETED)
        again = past.when(create_group, name="admins").then(created(5, "admins"))
        again.after.when(update_group, group="admins", new_path="/ops/").then(
            GroupPathChanged(group_id=new_id("AGPA", 5), path="/ops/")
        )
        again.after.when(add_user_to_group, user="alice", group="admins").then(
            UserAddedToGroup(user_id=U, group_id=new_id("AGPA", 5))
        )

    def test_the_quota_over_the_account_is_a_setting(self) -> None:
        two = given(ADMINS, BUILDERS)
        two.under(groups_per_account=3).when(create_group, name="staff").then(created(2, "staff"))
        two.under(groups_per_account=2).when(create_group, name="staff").then(
            LimitExceeded("Cannot exceed quota for GroupsPerAccount: 2")
        )

    def test_300_groups_are_the_most(self) -> None:
        groups = [GroupCreated(group_id=f"AGPA{n:017}", group_name=f"group{n}", path="/") for n in range(300)]
        given(*groups[:299]).when(create_group, name="one-more").then(created(299, "one-more"))
        given(*groups).when(create_group, name="one-more").then(
            LimitExceeded("Cannot exceed quota for GroupsPerAccount: 300")
        )

    def test_a_deleted_group_does_not_count_and_neither_do_users(self) -> None:
        given(ADMINS, BUILDERS, ALICE, DELETED).under(groups_per_account=2).when(create_group, name="staff").then(
            created(4, "staff")
        )

    def test_a_taken_name_is_told_before_a_quota(self) -> None:
        given(ADMINS).under(groups_per_account=1).when(create_group, name="admins").then(
            EntityAlreadyExists("Group with name admins already exists.")
        )

    def test_a_name_has_128_characters_at_most(self) -> None:
        given().when(create_group, name="x" * 128).then(created(0, "x" * 128))
        given().when(create_group, name="x" * 129).then(
            ValidationError(
                f"1 validation error detected: Value '{'x' * 77}...' at 'groupName' failed to satisfy constraint:"
                " Member must have length less than or equal to 128"
            )
        )

    def test_a_path_has_512_characters_at_most(self) -> None:
        longest = "/" + "x" * 510 + "/"
        given().when(create_group, name="a", path=longest).then(created(0, "a", longest))
        assert isinstance(given().when(create_group, name="a", path=f"/x{longest[1:]}").outcome, ValidationError)


class TestUpdate:
    def test_a_group_is_renamed(self) -> None:
        given(ADMINS).when(update_group, group="admins", new_name="Staff").then(renamed("Admins", "Staff"))

    def test_a_group_is_moved(self) -> None:
        given(ADMINS).when(update_group, group="ADMINS", new_path="/").then(GroupPathChanged(group_id=A, path="/"))

    def test_both_at_once(self) -> None:
        given(ADMINS).when(update_group, group="admins", new_name="Staff", new_path="/a/").then(
            GroupPathChanged(group_id=A, path="/a/"), renamed("Admins", "Staff")
        )

    def test_both_names_are_tags(self) -> None:
        assert renamed("Admins", "Staff").ledger_tags() == [f"group:{A}", "group-name:admins", "group-name:staff"]

    @pytest.mark.parametrize("wishes", [{}, {"new_name": "Admins"}, {"new_path": "/ops/"}])
    def test_what_changes_nothing_yields_nothing(self, wishes: dict[str, str]) -> None:
        given(ADMINS).when(update_group, group="admins", **wishes).then()

    def test_to_another_case_of_the_own_name(self) -> None:
        update = given(ADMINS).when(update_group, group="admins", new_name="ADMINS").then(renamed("Admins", "ADMINS"))
        update.again().then()

    def test_moving_again_yields_nothing(self) -> None:
        given(ADMINS).when(update_group, group="admins", new_path="/a/").again().then()

    def test_renaming_again_finds_the_old_name_no_more(self) -> None:
        given(ADMINS).when(update_group, group="admins", new_name="Staff").again().then(NOT_FOUND)

    def test_renaming_there_and_back(self) -> None:
        past = given(ADMINS, renamed("Admins", "staff"), renamed("staff", "admins"))
        past.when(update_group, group="Admins", new_name="all").then(renamed("admins", "all"))
        past.when(create_group, name="staff").then(created(3, "staff"))

    @pytest.mark.parametrize("name", ["builders", "BUILDERS"])
    def test_onto_a_taken_name_is_refused(self, name: str) -> None:
        given(ADMINS, BUILDERS).when(update_group, group="admins", new_name=name, new_path="/a/").then(
            EntityAlreadyExists(f"Group with name {name} already exists.")
        )

    def test_onto_a_name_that_was_freed(self) -> None:
        freed = given(ADMINS, BUILDERS, GroupDeleted(group_id=B, group_name="builders"))
        freed.when(update_group, group="admins", new_name="builders").then(renamed("Admins", "builders"))

    def test_the_name_goes_with_the_group_that_took_it(self) -> None:
        swapped = given(ADMINS, BUILDERS, renamed("Admins", "staff"), renamed("builders", "admins", B))
        swapped.when(update_group, group="Admins", new_path="/x/").then(GroupPathChanged(group_id=B, path="/x/"))
        swapped.when(update_group, group="Staff", new_path="/x/").then(GroupPathChanged(group_id=A, path="/x/"))

    def test_members_stay_with_the_group(self) -> None:
        given(ADMINS, ALICE, MEMBER, renamed("Admins", "staff")).when(
            add_user_to_group, user="alice", group="staff"
        ).then()

    @pytest.mark.parametrize("past", [[], [BUILDERS], [ADMINS, DELETED], [ADMINS, renamed("Admins", "staff")]])
    def test_a_name_that_no_group_has_is_refused(self, past: list[Event]) -> None:
        given(*past).when(update_group, group="admins", new_path="/").then(NOT_FOUND)

    @pytest.mark.parametrize("wishes", [{"new_name": ""}, {"new_name": "x" * 129}, {"new_path": ""}, {"new_path": "x"}])
    def test_malformed_wishes_are_refused(self, wishes: dict[str, str]) -> None:
        assert isinstance(given(ADMINS).when(update_group, group="admins", **wishes).outcome, ValidationError)


class TestDelete:
    def test_a_group_is_deleted_and_its_name_is_free(self) -> None:
        given(ADMINS).when(delete_group, group="admins").then(DELETED).again().then(NOT_FOUND)

    def test_it_is_deleted_under_its_present_name(self) -> None:
        given(ADMINS, renamed("Admins", "staff")).when(delete_group, group="STAFF").then(
            GroupDeleted(group_id=A, group_name="staff")
        )

    @pytest.mark.parametrize(
        ("dependent", "remove"),
        [
            (MEMBER, "must remove users from group"),
            (ATTACHED, "must detach all policies"),
            (INLINE, "must delete policies"),
        ],
    )
    def test_what_belongs_to_it_must_be_gone_first(self, dependent: Event, remove: str) -> None:
        past = given(ADMINS, BUILDERS, ALICE, dependent)
        past.when(delete_group, group="admins").then(DeleteConflict(f"Cannot delete entity, {remove} first."))
        past.when(delete_group, group="builders").then(GroupDeleted(group_id=B, group_name="builders"))

    @pytest.mark.parametrize(
        "past",
        [
            [MEMBER, UserRemovedFromGroup(user_id=U, group_id=A)],
            [ATTACHED, GroupPolicyDetached(group_id=A, policy_id=P, policy_arn=ARN)],
            [INLINE, GroupPolicyDeleted(group_id=A, policy_name="own")],
        ],
    )
    def test_what_was_removed_is_gone(self, past: list[Event]) -> None:
        given(ADMINS, ALICE, *past).when(delete_group, group="admins").then(DELETED)

    def test_of_all_that_belongs_to_it_attached_policies_are_told_first_then_inline_ones_then_members(self) -> None:
        detached = GroupPolicyDetached(group_id=A, policy_id=P, policy_arn=ARN)
        deleted = GroupPolicyDeleted(group_id=A, policy_name="own")
        for order in ([MEMBER, INLINE, ATTACHED], [ATTACHED, INLINE, MEMBER]):
            past = given(ADMINS, ALICE, *order)
            for remove, removed in (("detach all policies", detached), ("delete policies", deleted)):
                past.when(delete_group, group="admins").then(
                    DeleteConflict(f"Cannot delete entity, must {remove} first.")
                )
                past = past.followed_by([removed])
            past.when(delete_group, group="admins").then(
                DeleteConflict("Cannot delete entity, must remove users from group first.")
            )

    def test_the_last_of_several_members_must_be_gone_too(self) -> None:
        both = given(ADMINS, MEMBER, UserAddedToGroup(user_id=V, group_id=A))
        one = both.followed_by([UserRemovedFromGroup(user_id=U, group_id=A)])
        one.when(delete_group, group="admins").then(
            DeleteConflict("Cannot delete entity, must remove users from group first.")
        )
        one.followed_by([UserRemovedFromGroup(user_id=V, group_id=A)]).when(delete_group, group="admins").then(DELETED)

    def test_a_member_that_was_removed_and_added_again_is_a_member(self) -> None:
        past = given(ADMINS, MEMBER, UserRemovedFromGroup(user_id=U, group_id=A), MEMBER)
        past.when(delete_group, group="admins").then(
            DeleteConflict("Cannot delete entity, must remove users from group first.")
        )

    def test_a_policy_of_the_groups_account_does_not_stand_in_the_way(self) -> None:
        policy = PolicyCreated(
            policy_id=P, arn=ARN, policy_name="deployers", path="/", version_id="v1", document=policy_text()
        )
        given(ADMINS, policy).when(delete_group, group="admins").then(DELETED)

    def test_recreated_and_deleted_once_more(self) -> None:
        again = GroupCreated(group_id=B, group_name="ADMINS", path="/")
        given(ADMINS, DELETED, again).when(delete_group, group="admins").then(
            GroupDeleted(group_id=B, group_name="ADMINS")
        )
