"""Policies that AWS manages: those that come with every account, imports, new texts, and that nobody changes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iamledger.decisions import Decision
from iamledger.iam import constraints
from iamledger.iam.attachment import attach_group_policy, attach_user_policy
from iamledger.iam.aws_managed import AWS_MANAGED, AwsManagedPolicy
from iamledger.iam.events import Event
from iamledger.iam.group import GroupCreated
from iamledger.iam.managed_policy import (
    AWS,
    DefaultPolicyVersionSet,
    ManagedPolicyImported,
    PolicyArn,
    PolicyCreated,
    PolicyVersionCreated,
    PolicyVersionDeleted,
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    import_managed_policy,
    set_default_policy_version,
    update_managed_policy,
)
from iamledger.iam.permissions_boundary import put_user_permissions_boundary
from iamledger.iam.policy_document import checked_size
from iamledger.iam.refusals import (
    EntityAlreadyExists,
    InvalidInput,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)
from iamledger.iam.user import UserCreated
from specification import Given, given, new_id, policy_text

P = "ANPAAAAAAAAAAAAAAAAAA"
BILLING = f"{AWS}job-function/Billing"
OWN = "arn:aws:iam::123456789012:policy/Billing"
TEXT, OTHER = policy_text(), policy_text(action="s3:PutObject")


def imported(policy_id: str = P, arn: str = BILLING, description: str | None = None) -> ManagedPolicyImported:
    name = arn.rpartition("/")[2]
    path = arn.removeprefix(AWS[:-1]).removesuffix(name)
    return ManagedPolicyImported(
        policy_id=policy_id,
        arn=arn,
        policy_name=name,
        path=path,
        description=description,
        version_id="v1",
        document=TEXT,
    )


def version(number: int, text: str) -> list[Event]:
    return [
        PolicyVersionCreated(policy_id=P, version_id=f"v{number}", document=text),
        DefaultPolicyVersionSet(policy_id=P, version_id=f"v{number}"),
    ]


def with_versions(number: int) -> Given:
    """The policy with so many versions, each with its own size of text."""
    return given(imported(), *(event for n in range(2, number + 1) for event in version(n, policy_text(100 + n))))


class TestShipped:
    def test_they_are_these(self) -> None:
        names = [policy.arn.removeprefix(AWS) for policy in AWS_MANAGED]
        assert names == [
            "AdministratorAccess",
            "ReadOnlyAccess",
            "IAMFullAccess",
            "IAMReadOnlyAccess",
            "IAMUserChangePassword",
        ]

    @pytest.mark.parametrize("policy", AWS_MANAGED, ids=lambda policy: policy.arn)
    def test_each_can_be_imported(self, policy: AwsManagedPolicy) -> None:
        done = given().when(
            import_managed_policy, name=policy.arn, document=policy.document, description=policy.description
        )
        done.then(
            ManagedPolicyImported(
                policy_id=new_id("ANPA", 0),
                arn=policy.arn,
                policy_name=policy.arn.removeprefix(AWS),
                path="/",
                description=policy.description,
                version_id="v1",
                document=policy.document,
            )
        ).again().then()
        assert PolicyArn(policy.arn).owner == "aws"

    @pytest.mark.parametrize("policy", AWS_MANAGED, ids=lambda policy: policy.arn)
    def test_each_keeps_the_rules_for_its_values(self, policy: AwsManagedPolicy) -> None:
        constraints.POLICY_ARN.check(policy.arn)
        constraints.POLICY_DESCRIPTION.check(policy.description)
        constraints.POLICY_DOCUMENT.check(policy.document)
        assert checked_size(policy.document) <= 6144
        document = json.loads(policy.document)
        assert document["Version"] == "2012-10-17"
        assert {statement["Effect"] for statement in document["Statement"]} == {"Allow"}

    def test_administrators_may_do_everything(self) -> None:
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        assert json.loads(AWS_MANAGED[0].document)["Statement"] == [statement]

    def test_reading_changes_nothing_and_tells_no_secrets(self) -> None:
        (read,) = json.loads(AWS_MANAGED[1].document)["Statement"]
        verbs = {action.partition(":")[2] for action in read["Action"]}
        assert verbs == {"Describe*", "Get*", "List*"}
        assert not {"secretsmanager:Get*", "ssm:Get*"} & set(read["Action"])
        assert len(set(read["Action"])) == len(read["Action"])


class TestImport:
    def test_a_policy_of_aws_comes_in(self) -> None:
        given().when(import_managed_policy, name=BILLING, document=TEXT, description="bills").then(
            imported(new_id("ANPA", 0), description="bills")
        )

    @pytest.mark.parametrize("description", [{}, {"description": None}, {"description": ""}])
    def test_the_description_may_be_left_out(self, description: dict[str, Any]) -> None:
        given().when(import_managed_policy, name=BILLING, document=TEXT, **description).then(
            imported(new_id("ANPA", 0))
        )

    def test_doing_it_twice_changes_nothing(self) -> None:
        given().when(import_managed_policy, name=BILLING, document=TEXT).again().then()

    def test_not_even_with_a_new_text_or_description(self) -> None:
        given(imported()).when(import_managed_policy, name=BILLING, document=OTHER, description="new").then()

    @pytest.mark.parametrize("arn", [f"{AWS}Billing", f"{AWS}job-function/billing", f"{AWS}other/BILLING"])
    def test_the_name_in_another_case_or_under_another_path_is_taken(self, arn: str) -> None:
        name = arn.rpartition("/")[2]
        given(imported()).when(import_managed_policy, name=arn, document=TEXT).then(
            EntityAlreadyExists(f"A policy called {name} is here already, as {BILLING}.")
        )

    def test_a_customers_policy_may_have_the_same_name(self) -> None:
        own = PolicyCreated(policy_id=P, arn=OWN, policy_name="Billing", path="/", version_id="v1", document=TEXT)
        given(own).when(import_managed_policy, name=BILLING, document=TEXT).then(imported(new_id("ANPA", 1)))
        given(imported()).when(create_policy, name=OWN, document=TEXT).then(
            own.model_copy(update={"policy_id": new_id("ANPA", 1)})
        )

    def test_a_customers_arn_is_refused(self) -> None:
        given().when(import_managed_policy, name=OWN, document=TEXT).then(
            InvalidInput(f"{OWN} is not an ARN of a policy that AWS manages, {AWS}…")
        )

    def test_it_may_be_larger_than_customers_policies_and_is_no_matter_of_their_quota(self) -> None:
        past = given().under(policies_per_account=0, policy_size=0)
        large = policy_text(10_000)
        past.when(import_managed_policy, name=BILLING, document=large).then(
            imported(new_id("ANPA", 0)).model_copy(update={"document": large})
        )

    def test_a_malformed_text_is_refused_also_when_it_is_here_already(self) -> None:
        for past in (given(), given(imported())):
            outcome = past.when(import_managed_policy, name=BILLING, document="{").outcome
            assert isinstance(outcome, MalformedPolicyDocument)
            assert isinstance(past.when(import_managed_policy, name=BILLING, document="").outcome, ValidationError)

    def test_path_and_description_keep_their_lengths(self) -> None:
        longest = "x" * 510
        assert given().when(import_managed_policy, name=f"{AWS}{longest}/p", document=TEXT).events
        for wishes in ({"name": f"{AWS}x{longest}/p"}, {"name": BILLING, "description": "x" * 1001}):
            outcome = given().when(import_managed_policy, document=TEXT, **wishes).outcome
            assert isinstance(outcome, ValidationError)


class TestUpdate:
    def test_a_new_text_is_a_new_default(self) -> None:
        given(imported()).when(update_managed_policy, policy=BILLING, document=OTHER).then(
            *version(2, OTHER)
        ).again().then()

    def test_the_same_text_changes_nothing(self) -> None:
        given(imported()).when(update_managed_policy, policy=BILLING, document=TEXT).then()

    def test_an_old_text_that_is_back_is_a_new_version(self) -> None:
        given(imported(), *version(2, OTHER)).when(update_managed_policy, policy=BILLING, document=TEXT).then(
            *version(3, TEXT)
        )

    def test_the_fifth_version_needs_no_room(self) -> None:
        with_versions(4).when(update_managed_policy, policy=BILLING, document=OTHER).then(*version(5, OTHER))

    def test_for_the_sixth_version_the_oldest_makes_room(self) -> None:
        sixth = with_versions(5).when(update_managed_policy, policy=BILLING, document=OTHER)
        sixth.then(PolicyVersionDeleted(policy_id=P, version_id="v1"), *version(6, OTHER))
        sixth.again().then()
        sixth.after.when(update_managed_policy, policy=BILLING, document=TEXT).then(
            PolicyVersionDeleted(policy_id=P, version_id="v2"), *version(7, TEXT)
        )

    def test_the_same_text_as_the_fifth_makes_no_room(self) -> None:
        with_versions(5).when(update_managed_policy, policy=BILLING, document=policy_text(105)).then()

    def test_the_quota_of_versions_is_a_setting(self) -> None:
        with_versions(2).under(versions_per_policy=2).when(update_managed_policy, policy=BILLING, document=OTHER).then(
            PolicyVersionDeleted(policy_id=P, version_id="v1"), *version(3, OTHER)
        )

    def test_it_may_be_larger_than_customers_policies(self) -> None:
        large = policy_text(10_000)
        given(imported()).when(update_managed_policy, policy=BILLING, document=large).then(*version(2, large))

    def test_a_customers_policy_is_refused(self) -> None:
        own = PolicyCreated(policy_id=P, arn=OWN, policy_name="Billing", path="/", version_id="v1", document=TEXT)
        given(own).when(update_managed_policy, policy=OWN, document=OTHER).then(
            InvalidInput(f"{OWN} is not managed by AWS.")
        )

    @pytest.mark.parametrize("arn", [f"{AWS}Billing", f"{AWS}job-function/billing", f"{AWS}Nothing"])
    def test_one_that_is_not_here_is_refused(self, arn: str) -> None:
        given(imported()).when(update_managed_policy, policy=arn, document=TEXT).then(
            NoSuchEntity(f"Policy {arn} was not found.")
        )

    def test_a_malformed_text_is_refused(self) -> None:
        outcome = given(imported()).when(update_managed_policy, policy=BILLING, document="{").outcome
        assert isinstance(outcome, MalformedPolicyDocument)


@pytest.mark.parametrize(
    ("decision", "wishes"),
    [
        (create_policy_version, {"document": OTHER}),
        (create_policy_version, {"document": TEXT, "unless_same": True}),
        (set_default_policy_version, {"version_id": "v1"}),
        (delete_policy_version, {"version_id": "v1"}),
        (delete_policy_version, {"version_id": "v2"}),
        (delete_policy, {}),
    ],
)
def test_nobody_changes_what_aws_manages(decision: Decision, wishes: dict[str, Any]) -> None:
    with_versions(2).when(decision, policy=BILLING, **wishes).then(
        InvalidInput(f"Policy {BILLING} is managed by AWS and cannot be changed or deleted.")
    )


@pytest.mark.parametrize(
    ("decision", "whom"),
    [
        (attach_user_policy, {"user": "alice"}),
        (attach_group_policy, {"group": "admins"}),
        (put_user_permissions_boundary, {"user": "alice"}),
    ],
)
def test_what_is_not_here_cannot_be_attached(decision: Decision, whom: dict[str, str]) -> None:
    past = given(
        UserCreated(user_id="AIDAAAAAAAAAAAAAAAAAA", user_name="alice", path="/"),
        GroupCreated(group_id="AGPAAAAAAAAAAAAAAAAAA", group_name="admins", path="/"),
    )
    past.when(decision, **whom, policy=BILLING).then(
        NoSuchEntity(f"Policy {BILLING} does not exist or is not attachable.")
    )
