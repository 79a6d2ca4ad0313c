"""The decisions about customer managed policies and their versions. Those of AWS: see test_aws_managed.py."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from iamledger.decisions import Decision
from iamledger.iam.attachment import GroupPolicyAttached, GroupPolicyDetached, UserPolicyAttached, UserPolicyDetached
from iamledger.iam.events import Event
from iamledger.iam.managed_policy import (
    DefaultPolicyVersionSet,
    ManagedPolicyImported,
    PolicyArn,
    PolicyCreated,
    PolicyDeleted,
    PolicyVersionCreated,
    PolicyVersionDeleted,
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    replace_policy_document,
    set_default_policy_version,
)
from iamledger.iam.permissions_boundary import UserPermissionsBoundaryDeleted, UserPermissionsBoundaryPut
from iamledger.iam.refusals import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)
from specification import ACCOUNT, Given, given, new_id, policy_text

P, Q = "ANPAAAAAAAAAAAAAAAAAA", "ANPABBBBBBBBBBBBBBBBB"
U, G = "AIDAAAAAAAAAAAAAAAAAA", "AGPAAAAAAAAAAAAAAAAAA"
OWN = "arn:aws:iam::123456789012:policy"
ARN = f"{OWN}/ops/Deployers"
TEXT, OTHER = policy_text(), policy_text(action="s3:PutObject")
DEPLOYERS = PolicyCreated(policy_id=P, arn=ARN, policy_name="Deployers", path="/ops/", version_id="v1", document=TEXT)
DELETED = PolicyDeleted(policy_id=P, arn=ARN, version_id="v1")
NOT_FOUND = NoSuchEntity(f"Policy {ARN} was not found.")
TAKEN = "A policy called {} already exists. Duplicate names are not allowed."


def created(number: int, path: str, name: str, description: str | None = None, text: str = TEXT) -> PolicyCreated:
    return PolicyCreated(
        policy_id=new_id("ANPA", number),
        arn=f"{OWN}{path}{name}",
        policy_name=name,
        path=path,
        description=description,
        version_id="v1",
        document=text,
    )


def version(number: int, text: str = OTHER) -> PolicyVersionCreated:
    return PolicyVersionCreated(policy_id=P, version_id=f"v{number}", document=text)


def default(number: int) -> DefaultPolicyVersionSet:
    return DefaultPolicyVersionSet(policy_id=P, version_id=f"v{number}")


def without(number: int) -> PolicyVersionDeleted:
    return PolicyVersionDeleted(policy_id=P, version_id=f"v{number}")


def no_version(version_id: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {ARN} version {version_id} does not exist or is not attachable.")


def with_versions(number: int) -> Given:
    """The policy with so many versions, of which the first is the default."""
    return given(DEPLOYERS, *map(version, range(2, number + 1)))


class TestCreate:
    def test_a_policy_is_created_with_a_new_id_and_its_first_version(self) -> None:
        given(DEPLOYERS).when(create_policy, name=f"{OWN}/a/b/Readers", document=OTHER, description="who read").then(
            created(1, "/a/b/", "Readers", "who read", OTHER)
        )

    def test_path_and_description_may_be_left_out(self) -> None:
        given().when(create_policy, name=f"{OWN}/Readers", document=TEXT).then(created(0, "/", "Readers"))
        given().when(create_policy, name=f"{OWN}/Readers", document=TEXT, description="").then(
            created(0, "/", "Readers")
        )

    def test_the_text_is_kept_as_it_was_submitted(self) -> None:
        (event,) = given().when(create_policy, name=ARN, document=f"\n {TEXT}\r\n").events
        assert event.model_dump()["document"] == f"\n {TEXT}\r\n"

    @pytest.mark.parametrize("name", ["/ops/Deployers", "/Deployers", "/deployers", "/other/DEPLOYERS"])
    def test_a_name_is_taken_in_whatever_case_and_under_whatever_path(self, name: str) -> None:
        given(DEPLOYERS).when(create_policy, name=OWN + name, document=TEXT).then(
            EntityAlreadyExists(TAKEN.format(name.rpartition("/")[2]))
        )

    def test_it_is_found_by_its_owner_and_its_name(self) -> None:
        tags = [f"policy:{P}", "policy-name:123456789012:deployers"]
        assert DEPLOYERS.ledger_tags() == DELETED.ledger_tags() == tags

    def test_a_policy_of_aws_may_have_the_same_name(self) -> None:
        managed = ManagedPolicyImported(
            policy_id=Q,
            arn="arn:aws:iam::aws:policy/Readers",
            policy_name="Readers",
            path="/",
            version_id="v1",
            document=TEXT,
        )
        given(managed).when(create_policy, name=f"{OWN}/readers", document=TEXT).then(created(1, "/", "readers"))

    def test_the_part_of_a_path_is_no_name(self) -> None:
        given(DEPLOYERS).when(create_policy, name=f"{OWN}/deployers/ops", document=TEXT).then(
            created(1, "/deployers/", "ops")
        )

    @pytest.mark.parametrize("owner", ["aws", "999999999999"])
    def test_an_arn_of_another_owner_is_refused(self, owner: str) -> None:
        given().when(create_policy, name=f"arn:aws:iam::{owner}:policy/Mine", document=TEXT).then(
            InvalidInput(f"arn:aws:iam::{owner}:policy/Mine is not an ARN of this account, {ACCOUNT}.")
        )

    def test_creating_it_again_is_refused(self) -> None:
        given().when(create_policy, name=ARN, document=TEXT).again().then(
            EntityAlreadyExists(TAKEN.format("Deployers"))
        )

    def test_recreation_after_deletion_gets_a_new_id_and_its_versions_begin_anew(self) -> None:
        past = given(
            DEPLOYERS, version(2), default(2), without(1), PolicyDeleted(policy_id=P, arn=ARN, version_id="v2")
        )
        again = past.when(create_policy, name=f"{OWN}/DEPLOYERS", document=TEXT).then(created(5, "/", "DEPLOYERS"))
        again.after.when(create_policy_version, policy=f"{OWN}/DEPLOYERS", document=OTHER).then(
            PolicyVersionCreated(policy_id=new_id("ANPA", 5), version_id="v2", document=OTHER)
        )
        again.after.when(create_policy_version, policy=ARN, document=OTHER).then(NOT_FOUND)

    def test_the_quota_over_the_account_is_a_setting(self) -> None:
        past = given(DEPLOYERS).followed_by(
            [PolicyCreated(policy_id=Q, arn=f"{OWN}/q", policy_name="q", path="/", version_id="v1", document=TEXT)]
        )
        past.under(policies_per_account=3).when(create_policy, name=f"{OWN}/r", document=TEXT).then(
            created(2, "/", "r")
        )
        past.under(policies_per_account=2).when(create_policy, name=f"{OWN}/r", document=TEXT).then(
            LimitExceeded("Cannot exceed quota for PoliciesPerAccount: 2")
        )

    def test_1500_policies_are_the_most(self) -> None:
        policies = [
            PolicyCreated(
                policy_id=f"ANPA{n:017}",
                arn=f"{OWN}/p{n}",
                policy_name=f"p{n}",
                path="/",
                version_id="v1",
                document="{}",
            )
            for n in range(1500)
        ]
        given(*policies[1:]).when(create_policy, name=ARN, document=TEXT).then(created(1499, "/ops/", "Deployers"))
        given(*policies).when(create_policy, name=ARN, document=TEXT).then(
            LimitExceeded("Cannot exceed quota for PoliciesPerAccount: 1500")
        )

    def test_policies_that_were_deleted_and_those_of_aws_do_not_count(self) -> None:
        managed = ManagedPolicyImported(
            policy_id=Q, arn="arn:aws:iam::aws:policy/Q", policy_name="Q", path="/", version_id="v1", document=TEXT
        )
        given(DEPLOYERS, DELETED, managed).under(policies_per_account=1).when(
            create_policy, name=ARN, document=TEXT
        ).then(created(3, "/ops/", "Deployers"))

    def test_a_name_has_128_characters_at_most(self) -> None:
        given().when(create_policy, name=f"{OWN}/{'x' * 128}", document=TEXT).then(created(0, "/", "x" * 128))
        assert isinstance(
            given().when(create_policy, name=f"{OWN}/{'x' * 129}", document=TEXT).outcome, ValidationError
        )

    def test_a_path_has_512_characters_at_most(self) -> None:
        longest = "/" + "x" * 510 + "/"
        given().when(create_policy, name=f"{OWN}{longest}p", document=TEXT).then(created(0, longest, "p"))
        given().when(create_policy, name=f"{OWN}/x{longest[1:]}p", document=TEXT).then(
            ValidationError(
                f"1 validation error detected: Value '/{'x' * 76}...' at 'path' failed to satisfy constraint:"
                " Member must have length less than or equal to 512"
            )
        )

    def test_a_description_has_1000_characters_at_most(self) -> None:
        about = "é" * 1000
        given().when(create_policy, name=ARN, document=TEXT, description=about).then(
            created(0, "/ops/", "Deployers", about)
        )
        over = given().when(create_policy, name=ARN, document=TEXT, description=about + "x")
        assert isinstance(over.outcome, ValidationError)


class TestDocument:
    """What holds for a text, whether it comes with a new policy or as a new version."""

    WAYS = (
        (given(), create_policy, {"name": ARN}),
        (given(DEPLOYERS), create_policy_version, {"policy": ARN}),
    )

    @pytest.mark.parametrize(("past", "decision", "whose"), WAYS)
    def test_6144_characters_are_the_most_white_space_not_counted(
        self, past: Given, decision: Decision, whose: dict[str, str]
    ) -> None:
        longest = policy_text(6144)
        assert len(longest) > 6144
        (event,) = past.when(decision, **whose, document=f" \t\r\n{longest}" + " " * 6144).events
        assert longest in event.model_dump()["document"]
        past.when(decision, **whose, document=policy_text(6145)).then(
            LimitExceeded("Cannot exceed quota for PolicySize: 6144")
        )

    @pytest.mark.parametrize(("past", "decision", "whose"), WAYS)
    def test_the_quota_is_a_setting(self, past: Given, decision: Decision, whose: dict[str, str]) -> None:
        small = past.under(policy_size=200)
        assert small.when(decision, **whose, document=policy_text(200)).events
        small.when(decision, **whose, document=policy_text(201)).then(
            LimitExceeded("Cannot exceed quota for PolicySize: 200")
        )

    @pytest.mark.parametrize(("past", "decision", "whose"), WAYS)
    def test_a_text_that_is_no_json_is_malformed(self, past: Given, decision: Decision, whose: dict[str, str]) -> None:
        assert isinstance(past.when(decision, **whose, document="{").outcome, MalformedPolicyDocument)

    @pytest.mark.parametrize(("past", "decision", "whose"), WAYS)
    def test_no_text_and_one_of_more_than_131072_characters_are_invalid(
        self, past: Given, decision: Decision, whose: dict[str, str]
    ) -> None:
        past.when(decision, **whose, document="").then(
            ValidationError(
                "1 validation error detected: Value '' at 'policyDocument' failed to satisfy constraint:"
                " Member must have length greater than or equal to 1"
            )
        )
        assert past.when(decision, **whose, document=TEXT.ljust(131072)).events
        assert isinstance(past.when(decision, **whose, document=TEXT.ljust(131073)).outcome, ValidationError)


class TestCreateVersion:
    def test_another_version_is_not_in_force(self) -> None:
        given(DEPLOYERS).when(create_policy_version, policy=ARN, document=OTHER).then(version(2))

    def test_as_the_default_it_is(self) -> None:
        given(DEPLOYERS).when(create_policy_version, policy=ARN, document=OTHER, set_as_default=True).then(
            version(2), default(2)
        )

    def test_the_same_text_is_another_version_too(self) -> None:
        again = given(DEPLOYERS).when(create_policy_version, policy=ARN, document=TEXT).then(version(2, TEXT)).again()
        again.then(version(3, TEXT))

    def test_unless_a_version_has_this_very_text(self) -> None:
        create: dict[str, Any] = {"policy": ARN, "unless_same": True, "set_as_default": True}
        given(DEPLOYERS).when(create_policy_version, **create, document=TEXT).then()
        given(DEPLOYERS).when(create_policy_version, **create, document=TEXT + " ").then(
            version(2, TEXT + " "), default(2)
        ).again().then()
        given(DEPLOYERS, version(2)).when(create_policy_version, **create, document=OTHER).then(
            default(2)
        ).again().then()
        silent = {**create, "set_as_default": False}
        given(DEPLOYERS, version(2)).when(create_policy_version, **silent, document=OTHER).then()

    def test_five_versions_are_the_most(self) -> None:
        with_versions(4).when(create_policy_version, policy=ARN, document=OTHER).then(version(5)).again().then(
            LimitExceeded(
                "A managed policy can have up to 5 versions. Before you create a new version, you must delete an"
                " existing version."
            )
        )

    def test_the_quota_is_a_setting(self) -> None:
        with_versions(2).under(versions_per_policy=2).when(create_policy_version, policy=ARN, document=OTHER).then(
            LimitExceeded(
                "A managed policy can have up to 2 versions. Before you create a new version, you must delete an"
                " existing version."
            )
        )

    def test_the_very_text_that_is_in_force_needs_no_room(self) -> None:
        with_versions(5).when(create_policy_version, policy=ARN, document=TEXT, unless_same=True).then()

    @pytest.mark.parametrize("gone", [2, 3, 4, 5])
    def test_the_id_of_a_version_that_was_deleted_is_never_used_again(self, gone: int) -> None:
        with_versions(5).followed_by([without(gone)]).when(create_policy_version, policy=ARN, document=OTHER).then(
            version(6)
        )

    def test_ids_go_on_beyond_nine(self) -> None:
        past: list[Event] = [DEPLOYERS]
        for number in range(2, 12):
            past += [version(number), default(number), without(number - 1)]
        given(*past).when(create_policy_version, policy=ARN, document=OTHER).then(version(12))


class TestSetDefault:
    def test_another_version_comes_into_force(self) -> None:
        with_versions(3).when(set_default_policy_version, policy=ARN, version_id="v3").then(default(3)).again().then()

    def test_the_one_in_force_stays_so(self) -> None:
        with_versions(2).when(set_default_policy_version, policy=ARN, version_id="v1").then()

    def test_back_to_an_older_one(self) -> None:
        with_versions(2).followed_by([default(2)]).when(set_default_policy_version, policy=ARN, version_id="v1").then(
            default(1)
        )

    @pytest.mark.parametrize("version_id", ["v2", "v3", "v10"])
    def test_a_version_that_is_not_there_is_refused(self, version_id: str) -> None:
        with_versions(2).followed_by([without(2)]).when(
            set_default_policy_version, policy=ARN, version_id=version_id
        ).then(no_version(version_id))


class TestDeleteVersion:
    def test_a_version_that_is_not_in_force_is_deleted(self) -> None:
        with_versions(3).when(delete_policy_version, policy=ARN, version_id="v2").then(without(2)).again().then(
            no_version("v2")
        )

    def test_the_default_is_refused(self) -> None:
        refusal = DeleteConflict("Cannot delete the default version of a policy.")
        given(DEPLOYERS).when(delete_policy_version, policy=ARN, version_id="v1").then(refusal)
        with_versions(2).when(delete_policy_version, policy=ARN, version_id="v1").then(refusal)
        with_versions(2).followed_by([default(2)]).when(delete_policy_version, policy=ARN, version_id="v2").then(
            refusal
        )

    def test_what_is_no_longer_the_default_can_be_deleted(self) -> None:
        with_versions(2).followed_by([default(2)]).when(delete_policy_version, policy=ARN, version_id="v1").then(
            without(1)
        )

    def test_a_version_that_never_was_is_refused(self) -> None:
        given(DEPLOYERS).when(delete_policy_version, policy=ARN, version_id="v2").then(no_version("v2"))

    def test_it_makes_room(self) -> None:
        deleted = with_versions(5).when(delete_policy_version, policy=ARN, version_id="v2")
        deleted.after.when(create_policy_version, policy=ARN, document=OTHER).then(version(6))


USES: dict[str, tuple[Event, Event]] = {
    "user": (
        UserPolicyAttached(user_id=U, policy_id=P, policy_arn=ARN),
        UserPolicyDetached(user_id=U, policy_id=P, policy_arn=ARN),
    ),
    "group": (
        GroupPolicyAttached(group_id=G, policy_id=P, policy_arn=ARN),
        GroupPolicyDetached(group_id=G, policy_id=P, policy_arn=ARN),
    ),
    "boundary": (
        UserPermissionsBoundaryPut(user_id=U, policy_id=P, policy_arn=ARN),
        UserPermissionsBoundaryDeleted(user_id=U, policy_id=P, policy_arn=ARN),
    ),
}
IN_USE = DeleteConflict("Cannot delete a policy attached to entities.")
HAS_VERSIONS = DeleteConflict(
    "This policy has more than one version. Before you delete a policy, you must delete the policy's versions."
    " The default version is deleted with the policy."
)


class TestReplaceDocument:
    def test_the_new_text_is_in_force_at_once(self) -> None:
        given(DEPLOYERS).when(replace_policy_document, policy=ARN, document=OTHER).then(
            version(2), default(2)
        ).again().then()

    def test_the_oldest_that_is_not_in_force_makes_room(self) -> None:
        with_versions(5).when(replace_policy_document, policy=ARN, document=OTHER).then(
            without(2), version(6), default(6)
        )

    def test_more_than_one_makes_room_where_the_quota_was_lowered(self) -> None:
        with_versions(5).under(versions_per_policy=3).when(replace_policy_document, policy=ARN, document=OTHER).then(
            without(2), without(3), without(4), version(6), default(6)
        )

    def test_where_there_may_be_one_version_alone_nothing_can_make_room(self) -> None:
        given(DEPLOYERS).under(versions_per_policy=1).when(replace_policy_document, policy=ARN, document=OTHER).then(
            LimitExceeded("Cannot exceed quota for VersionsPerPolicy: 1")
        )

    def test_a_text_that_is_too_large_is_refused(self) -> None:
        given(DEPLOYERS).when(replace_policy_document, policy=ARN, document=policy_text(6145)).then(
            LimitExceeded("Cannot exceed quota for PolicySize: 6144")
        )


class TestDelete:
    def test_with_its_versions_a_policy_is_deleted_at_once(self) -> None:
        with_versions(3).when(delete_policy, policy=ARN, with_versions=True).then(without(2), without(3), DELETED)
        given(DEPLOYERS).when(delete_policy, policy=ARN, with_versions=True).then(DELETED)

    def test_a_policy_is_deleted_and_its_name_is_free(self) -> None:
        deleted = given(DEPLOYERS).when(delete_policy, policy=ARN).then(DELETED)
        deleted.again().then(NOT_FOUND)
        deleted.after.when(create_policy, name=ARN, document=TEXT).then(created(2, "/ops/", "Deployers"))

    def test_its_last_version_goes_with_it_whichever_it_is(self) -> None:
        given(DEPLOYERS, version(2), default(2), without(1)).when(delete_policy, policy=ARN).then(
            PolicyDeleted(policy_id=P, arn=ARN, version_id="v2")
        )

    @pytest.mark.parametrize("use", USES)
    def test_what_is_in_use_is_refused(self, use: str) -> None:
        begun, ended = USES[use]
        given(DEPLOYERS, begun).when(delete_policy, policy=ARN).then(IN_USE)
        given(DEPLOYERS, begun, ended).when(delete_policy, policy=ARN).then(DELETED)
        given(DEPLOYERS, begun, ended, begun).when(delete_policy, policy=ARN).then(IN_USE)

    @pytest.mark.parametrize("order", list(permutations(USES)))
    def test_every_use_must_have_ended_in_whatever_order(self, order: tuple[str, ...]) -> None:
        past = given(DEPLOYERS, *(begun for begun, _ in USES.values()))
        for use in order:
            past.when(delete_policy, policy=ARN).then(IN_USE)
            past = past.followed_by([USES[use][1]])
        past.when(delete_policy, policy=ARN).then(DELETED)

    def test_the_last_of_several_users_and_groups(self) -> None:
        another = UserPolicyAttached(user_id="AIDABBBBBBBBBBBBBBBBB", policy_id=P, policy_arn=ARN)
        given(DEPLOYERS, USES["user"][0], another, USES["user"][1]).when(delete_policy, policy=ARN).then(IN_USE)
        bounds = UserPermissionsBoundaryPut(user_id="AIDABBBBBBBBBBBBBBBBB", policy_id=P, policy_arn=ARN)
        given(DEPLOYERS, USES["boundary"][0], bounds, USES["boundary"][1]).when(delete_policy, policy=ARN).then(IN_USE)

    def test_uses_of_another_policy_do_not_matter(self) -> None:
        given(DEPLOYERS, UserPolicyAttached(user_id=U, policy_id=Q, policy_arn=f"{OWN}/q")).when(
            delete_policy, policy=ARN
        ).then(DELETED)

    def test_other_versions_must_be_gone_first(self) -> None:
        with_versions(2).when(delete_policy, policy=ARN).then(HAS_VERSIONS)
        with_versions(3).followed_by([without(2)]).when(delete_policy, policy=ARN).then(HAS_VERSIONS)
        with_versions(3).followed_by([without(2), without(3)]).when(delete_policy, policy=ARN).then(DELETED)

    def test_uses_are_told_before_versions(self) -> None:
        with_versions(2).followed_by([USES["user"][0]]).when(delete_policy, policy=ARN).then(IN_USE)


ON_A_POLICY: list[tuple[Decision, dict[str, str]]] = [
    (create_policy_version, {"document": TEXT}),
    (set_default_policy_version, {"version_id": "v1"}),
    (delete_policy_version, {"version_id": "v1"}),
    (delete_policy, {}),
]


@pytest.mark.parametrize(("decision", "wishes"), ON_A_POLICY)
class TestWhich:
    """A policy is called by its whole ARN, path and case included."""

    @pytest.mark.parametrize("past", [[], [DEPLOYERS, DELETED]])
    def test_a_policy_that_is_not_there_is_refused(
        self, past: list[Event], decision: Decision, wishes: dict[str, str]
    ) -> None:
        given(*past).when(decision, policy=ARN, **wishes).then(NOT_FOUND)

    @pytest.mark.parametrize("name", ["/Deployers", "/ops/deployers", "/OPS/Deployers", "/ops/x/Deployers"])
    def test_another_path_or_case_is_another_arn(self, name: str, decision: Decision, wishes: dict[str, str]) -> None:
        given(DEPLOYERS).when(decision, policy=OWN + name, **wishes).then(
            NoSuchEntity(f"Policy {OWN}{name} was not found.")
        )

    def test_the_same_name_of_another_account_is_another_policy(
        self, decision: Decision, wishes: dict[str, str]
    ) -> None:
        foreign = "arn:aws:iam::999999999999:policy/ops/Deployers"
        given(DEPLOYERS).when(decision, policy=foreign, **wishes).then(NoSuchEntity(f"Policy {foreign} was not found."))


@pytest.mark.parametrize(
    ("arn", "path", "name", "owner"),
    [
        (ARN, "/ops/", "Deployers", ACCOUNT),
        (f"{OWN}/x", "/", "x", ACCOUNT),
        (f"{OWN}/policy/policy/policy", "/policy/policy/", "policy", ACCOUNT),
        ("arn:aws:iam::aws:policy/job-function/Billing", "/job-function/", "Billing", "aws"),
        (f"{OWN}/aws:policy", "/", "aws:policy", ACCOUNT),
    ],
)
def test_an_arn_tells_path_name_and_owner(arn: str, path: str, name: str, owner: str) -> None:
    policy = PolicyArn(arn)
    assert (policy.path, policy.name, policy.owner) == (path, name, owner)
