"""What changed, what a key could do, what is unused, who could escalate: stories on a real ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conftest import ACCOUNT, OPERATOR, Urls, new_ledger
from iamledger.access.blast_radius import BlastRadius, blast_radius, period_of
from iamledger.access.differences import Changes, Moment, changes, row_of
from iamledger.access.escalations import Escalations, escalations, numbers_of_versions
from iamledger.access.governing import read_resource_policies
from iamledger.access.grant_events import GrantEvents, policy_arns, read_grant_events
from iamledger.access.grants import Grants, Group, HeldPolicy, How, User, read_grants
from iamledger.access.techniques import TECHNIQUES, Target, Technique
from iamledger.access.unused import READS, Unused, unused
from iamledger.actors import Principal
from iamledger.engine.view import View, open_view
from iamledger.iam import (
    access_key,
    attachment,
    group,
    inline_policy,
    managed_policy,
    membership,
    permissions_boundary,
    user,
)
from iamledger.iam.access_key import RevocationReason, use_of
from iamledger.iam.account import create_account
from iamledger.iam.refusals import InvalidInput, NoSuchEntity
from iamledger.iam.resource import (
    delete_resource_policy,
    deregister_resource,
    put_resource_policy,
    register_resource,
    share_resource,
)
from iamledger.ledger import Circumstances, Ledger
from iamledger.policy import Layer
from iamledger.services import Catalogue
from iamledger.store import Connection, Database
from iamledger_projections import projections

CATALOGUE = Catalogue()
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def to(principal: str, statement: dict[str, Any]) -> dict[str, Any]:
    """A statement of the policy of a resource, to a user by name, the account, or everybody."""
    named = principal if principal in ("*", ACCOUNT) else f"arn:aws:iam::{ACCOUNT}:user/{principal}"
    return {**statement, "Principal": {"AWS": named}}


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


def moment(view: View) -> Moment:
    return Moment(read_grants(view), read_resource_policies(view))


@dataclass
class Story:
    """A ledger, told command by command."""

    connection: Connection
    ledger: Ledger
    keys: dict[str, str] = field(default_factory=dict)

    def did(self, decision: Callable[..., Any], **arguments: Any) -> int:
        """Run a decision; its last position."""
        return self.ledger.execute(decision, **arguments).last or 0

    def users(self, *names: str) -> None:
        for name in names:
            self.did(user.create_user, name=name)

    def group(self, name: str, *members: str) -> None:
        self.did(group.create_group, name=name)
        for member in members:
            self.did(membership.add_user_to_group, user=member, group=name)

    def policy(self, name: str, *statements: dict[str, Any]) -> int:
        return self.did(managed_policy.create_policy, name=arn(name), document=document(*statements))

    def attach(self, policy: str, *, user: str | None = None, group: str | None = None) -> int:
        named = policy if policy.startswith("arn:") else arn(policy)
        if user:
            return self.did(attachment.attach_user_policy, user=user, policy=named)
        return self.did(attachment.attach_group_policy, group=group, policy=named)

    def detach(self, policy: str, user: str) -> int:
        return self.did(attachment.detach_user_policy, user=user, policy=arn(policy))

    def inline(self, name: str, owner: str, *statements: dict[str, Any]) -> int:
        return self.did(inline_policy.put_user_policy, user=owner, policy_name=name, document=document(*statements))

    def rewrite(self, policy: str, *statements: dict[str, Any]) -> int:
        decision = managed_policy.create_policy_version
        return self.did(decision, policy=arn(policy), document=document(*statements), set_as_default=True)

    def put(self, resource: str, *statements: dict[str, Any]) -> int:
        return self.did(put_resource_policy, resource=resource, document=document(*statements))

    def key(self, owner: str) -> str:
        outcome = self.ledger.execute(access_key.create_access_key, user=owner)
        [event] = outcome.events
        self.keys[owner] = event.access_key_id  # type: ignore[attr-defined]
        return self.keys[owner]

    def used(self, key: str, service: str, at: datetime) -> int:
        use = use_of(key, service, "eu-west-1", at)
        return self.did(
            access_key.record_access_key_use, key=key, use=use, service_name=service, region="eu-west-1", used_at=at
        )

    def head(self) -> int:
        row = self.connection.execute("SELECT head FROM iamledger.ledgers").fetchone()
        assert row is not None
        return int(row[0])

    def view(self, position: int | None = None) -> Any:
        names = [*READS, "resource_policies"]
        return open_view(self.connection, ACCOUNT, [projections()[name] for name in names], position=position)

    def changed(self, first: int, last: int | None = None) -> Changes:
        with self.view(last) as view:
            after, arns = moment(view), policy_arns(view)
        with self.view(first) as view:
            before, arns = moment(view), {**policy_arns(view), **arns}
        positions = before.grants.position, after.grants.position
        events = read_grant_events(self.connection, ACCOUNT, *positions, arns)
        return changes(before, after, events, CATALOGUE)

    def told(self, first: int, last: int | None = None) -> list[tuple[Any, ...]]:
        """User, gained or lost, pattern, resource, group and position of what changed."""
        found = self.changed(first, last)
        assert found.untold == []
        return [
            (
                change.user.name,
                "+" if change.difference.gained else "-",
                pattern,
                change.difference.resource,
                change.sources[0].group,
                change.sources[0].event and change.sources[0].event.position,
            )
            for change in found.changes
            for pattern, _, _ in change.difference.patterns
        ]

    def escalations(self, name: str | None = None, position: int | None = None) -> Escalations:
        with self.view(position) as view:
            grants = read_grants(view)
            wanted = next((one.id for one in grants.users.values() if one.name == name), None)
            return escalations(grants, numbers_of_versions(view), wanted)

    def paths(self, name: str | None = None, position: int | None = None) -> list[tuple[Any, ...]]:
        """User, actions, targets, and what it leads to, of each path."""
        return [
            (
                path.steps[0].user.name,
                [step.technique.action for step in path.steps],
                [step.target for step in path.steps],
                path.leads_to,
                path.steps[0].condition,
            )
            for path in self.escalations(name, position).paths
        ]

    def unused(self, since: datetime) -> list[Unused]:
        with self.view() as view:
            return unused(view, read_grants(view), since)

    def radius(self, key: str, since: datetime | None = None) -> BlastRadius:
        period = period_of(self.connection, ACCOUNT, key, self.head(), datetime.now(UTC), since)
        return blast_radius(self.connection, ACCOUNT, key, period, CATALOGUE)


@pytest.fixture
def story(new_database: Callable[[], Urls]) -> Iterator[Story]:
    database = Database(new_database().application)
    ledger = new_ledger(database)
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    ledger.execute(managed_policy.import_managed_policy, name=ADMINISTRATOR, document=document(allow("*")))
    yield Story(database.connection, ledger)
    database.close()


REPORTS = "arn:aws:s3:::reports/*"
NOW = datetime.now(UTC)


# Differences


def test_what_was_attached_and_detached_is_gained_and_lost(story: Story) -> None:
    story.users("alice", "bob")
    story.policy("reports", allow("s3:Get*", REPORTS))
    before = story.attach("reports", user="alice")
    gained = story.attach("reports", user="bob")
    lost = story.detach("reports", "alice")
    assert story.told(before) == [
        ("alice", "-", "s3:Get*", REPORTS, None, lost),
        ("bob", "+", "s3:Get*", REPORTS, None, gained),
    ]
    assert story.told(before, gained) == [("bob", "+", "s3:Get*", REPORTS, None, gained)]


def test_what_moved_to_a_group_or_was_written_otherwise_is_no_difference(story: Story) -> None:
    story.users("alice")
    story.group("ops")
    story.policy("reports", allow("s3:Get*", REPORTS))
    before = story.attach("reports", user="alice")
    story.attach("reports", group="ops")
    story.did(membership.add_user_to_group, user="alice", group="ops")
    story.detach("reports", "alice")
    story.rewrite("reports", allow(["s3:GetObject", "s3:Get*"], [REPORTS, "arn:aws:s3:::reports/2026/*"]))
    assert story.told(before) == []


def test_a_membership_a_version_and_a_boundary_are_told_as_causes(story: Story) -> None:
    story.users("alice")
    story.group("ops")
    story.policy("reports", allow("s3:Get*", REPORTS))
    story.policy("limits", allow("s3:GetObject"))
    start = story.attach("reports", group="ops")
    joined = story.did(membership.add_user_to_group, user="alice", group="ops")
    assert story.told(start) == [("alice", "+", "s3:Get*", REPORTS, "ops", joined)]
    written = story.rewrite("reports", allow(["s3:Get*", "s3:Put*"], REPORTS))
    assert story.told(joined) == [("alice", "+", "s3:Put*", REPORTS, "ops", written)]
    bounded = story.did(permissions_boundary.put_user_permissions_boundary, user="alice", policy=arn("limits"))
    lost = story.told(written)
    assert {row[-1] for row in lost} == {bounded}
    assert ("alice", "-", "s3:Put*", REPORTS, None, bounded) in lost
    assert not any(row[2] == "s3:GetObject" for row in lost)


def test_users_that_come_and_go_gain_and_lose_all(story: Story) -> None:
    story.users("alice")
    story.inline("own", "alice", allow("sqs:SendMessage"))
    before = story.head()
    deleted = story.did(inline_policy.delete_user_policy, user="alice", policy_name="own")
    story.did(user.delete_user, user="alice")
    story.users("bob")
    gained = story.inline("own", "bob", allow("sqs:ReceiveMessage"))
    assert story.told(before) == [
        ("alice", "-", "sqs:SendMessage", "*", None, deleted),
        ("bob", "+", "sqs:ReceiveMessage", "*", None, gained),
    ]


def test_who_was_renamed_is_told_if_a_policy_could_tell(story: Story) -> None:
    story.users("alice")
    before = story.inline("own", "alice", allow("s3:*", "arn:aws:s3:::home/${aws:username}/*"))
    story.did(user.update_user, user="alice", new_name="alicia")
    found = story.changed(before)
    assert found.changes == []
    assert [name for name, _ in found.untold] == ["alicia"]


# Differences by policies of resources

BUCKET = "arn:aws:s3:::reports"
INNER = f"{BUCKET}/2026"


def by_resources(story: Story, first: int, last: int | None = None) -> list[tuple[Any, ...]]:
    """User, gained or lost, pattern, resource, exceptions, and each cause with its event and its position."""
    found = story.changed(first, last)
    assert found.untold == []
    return [
        (
            change.user.name,
            "+" if change.difference.gained else "-",
            *[pattern for pattern, _, _ in change.difference.patterns],
            change.difference.resource,
            change.difference.but_for,
            *[
                (one.cause.label, one.cause.effect, one.event and one.event.type, one.event and one.event.position)
                for one in change.sources
            ],
        )
        for change in found.changes
    ]


LABEL = f"policy of resource {BUCKET}"


def test_whom_the_policy_of_a_resource_names_gains_and_loses(story: Story) -> None:
    story.users("alice", "bob")
    story.did(register_resource, resource=BUCKET)
    before = story.head()
    put = story.put(BUCKET, to("alice", allow("s3:GetObject")), to(ACCOUNT, allow("s3:PutObject")))
    given = (LABEL, "Allow", "ResourcePolicyPut", put)
    assert by_resources(story, before) == [
        ("alice", "+", "s3:GetObject", BUCKET, (), given),
        ("alice", "+", "s3:GetObject", f"{BUCKET}/*", (), given),
    ]
    [row, _] = [row_of(change) for change in story.changed(before).changes]
    assert row["Sources"][0]["PolicyName"] == LABEL
    assert row["Sources"][0]["Layer"] == "resource-based policy"
    assert row["Sources"][0]["Actor"] == OPERATOR.told()
    again = story.put(BUCKET, to("alice", allow("s3:GetObject", f"{BUCKET}/*")))
    assert by_resources(story, before, again) == [
        ("alice", "+", "s3:GetObject", f"{BUCKET}/*", (), (*given[:3], again))
    ]
    deleted = story.did(delete_resource_policy, resource=BUCKET)
    lost = (LABEL, "Allow", "ResourcePolicyDeleted", deleted)
    assert by_resources(story, again) == [("alice", "-", "s3:GetObject", f"{BUCKET}/*", (), lost)]
    assert by_resources(story, before) == []


def test_what_a_resource_granted_ends_with_it(story: Story) -> None:
    story.users("alice")
    story.did(register_resource, resource=BUCKET)
    before = story.did(
        share_resource, resource=BUCKET, principal=f"arn:aws:iam::{ACCOUNT}:user/alice", actions=["s3:GetObject"]
    )
    gone = story.did(deregister_resource, resource=BUCKET)
    assert [row[:4] + row[5:] for row in by_resources(story, before)] == [
        ("alice", "-", "s3:GetObject", resource, (LABEL, "Allow", "ResourcePolicyDeleted", gone - 1))
        for resource in (BUCKET, f"{BUCKET}/*")
    ]


def test_a_deny_in_the_policy_of_a_resource_takes_away(story: Story) -> None:
    story.users("alice", "bob")
    story.inline("own", "alice", allow("s3:*"))
    before = story.did(register_resource, resource=BUCKET)
    put = story.put(BUCKET, to("*", deny("s3:Delete*", f"{BUCKET}/*")))
    denied = (LABEL, "Deny", "ResourcePolicyPut", put)
    assert by_resources(story, before) == [("alice", "-", "s3:Delete*", f"{BUCKET}/*", (), denied)]


def test_what_is_gained_elsewhere_tells_what_a_resource_takes_out(story: Story) -> None:
    story.users("alice", "bob")
    for resource in (BUCKET, "arn:aws:s3:::logs"):
        story.did(register_resource, resource=resource)
    story.put(BUCKET, to("*", deny("s3:Delete*")), to("bob", allow("s3:PutObject", INNER)))
    before = story.put("arn:aws:s3:::logs", to("alice", allow("s3:Put*", "arn:aws:s3:::logs/*")))
    attached = story.inline("own", "alice", allow("s3:*"))
    label = story.changed(before).changes[0].difference.causes[0].label
    exceptions = (f"s3:Delete* on {BUCKET}", f"s3:Delete* on {BUCKET}/*", "s3:Put* on arn:aws:s3:::logs/*")
    assert by_resources(story, before) == [
        ("alice", "+", "s3:*", "*", exceptions, (label, "Allow", "UserPolicyPut", attached))
    ]
    inline = story.inline("inside", "bob", allow("s3:*", f"{BUCKET}/*"))
    [gained] = story.changed(attached).changes
    assert (gained.difference.resource, gained.difference.but_for) == (f"{BUCKET}/*", (f"s3:PutObject on {INNER}",))
    assert "s3:GetObject" in gained.difference.actions
    assert not any(action.startswith("s3:Delete") for action in gained.difference.actions)
    assert [source.event and source.event.position for source in gained.sources] == [inline]


def test_a_resource_with_a_policy_of_its_own_comes_out_of_another(story: Story) -> None:
    story.users("alice")
    for resource in (BUCKET, INNER):
        story.did(register_resource, resource=resource)
    before = story.put(BUCKET, to("alice", allow("s3:GetObject", "*")))
    apart = story.put(INNER, to(ACCOUNT, allow("s3:*")))
    assert by_resources(story, before) == [
        ("alice", "-", "s3:GetObject", resource, (), (LABEL, "Allow", "ResourcePolicyPut", apart))
        for resource in (INNER, f"{INNER}/*")
    ]
    story.did(delete_resource_policy, resource=BUCKET)
    put = story.put(BUCKET, to("alice", allow("s3:PutObject", "*")))
    assert by_resources(story, apart, put)[:2] == [
        ("alice", "-", "s3:GetObject", BUCKET, (), (LABEL, "Allow", "ResourcePolicyDeleted", put - 1)),
        (
            *("alice", "-", "s3:GetObject", f"{BUCKET}/*", (INNER, f"{INNER}/*")),
            (LABEL, "Allow", "ResourcePolicyDeleted", put - 1),
        ),
    ]


def test_a_boundary_limits_what_everybody_is_granted_and_not_what_one_is(story: Story) -> None:
    story.users("alice")
    story.policy("limits", allow("sqs:*"))
    story.did(register_resource, resource=BUCKET)
    before = story.put(BUCKET, to("*", allow("s3:GetObject", BUCKET)), to("alice", allow("s3:PutObject", BUCKET)))
    bounded = story.did(permissions_boundary.put_user_permissions_boundary, user="alice", policy=arn("limits"))
    [lost] = by_resources(story, before)
    assert lost[:4] == ("alice", "-", "s3:GetObject", BUCKET)
    assert lost[-1][-1] == bounded


def test_users_that_come_and_go_are_granted_by_resources_while_they_are_there(story: Story) -> None:
    story.did(register_resource, resource=BUCKET)
    before = story.put(BUCKET, to("*", allow("s3:GetObject", BUCKET)))
    story.users("alice")
    came = story.head()
    story.did(user.delete_user, user="alice")
    nothing = (LABEL, "Allow", None, None)
    assert by_resources(story, before, came) == [("alice", "+", "s3:GetObject", BUCKET, (), nothing)]
    assert by_resources(story, came) == [("alice", "-", "s3:GetObject", BUCKET, (), nothing)]


def test_who_was_renamed_is_told_if_the_policy_of_a_resource_named_it(story: Story) -> None:
    story.users("alice")
    story.did(register_resource, resource=BUCKET)
    before = story.put(BUCKET, to("alice", allow("s3:GetObject", BUCKET)))
    story.did(user.update_user, user="alice", new_name="alicia")
    assert [name for name, _ in story.changed(before).untold] == ["alicia"]


# Blast radius


def test_a_key_could_do_what_policies_of_resources_granted_its_owner(story: Story) -> None:
    story.users("alice")
    key = story.key("alice")
    story.did(register_resource, resource=BUCKET)
    put = story.put(BUCKET, to("alice", allow("s3:GetObject", f"{BUCKET}/*")))
    story.put(BUCKET, to("bob", allow("s3:PutObject")))
    found = story.radius(key)
    assert [(one.pattern, one.resource, one.policies, one.first, one.last) for one in found.permissions] == [
        ("s3:GetObject", f"{BUCKET}/*", ((LABEL, Layer.RESOURCE, None),), put, put)
    ]
    assert found.data == ["s3:GetObject"]


def test_who_is_denied_by_the_policy_of_a_resource_is_no_administrator(story: Story) -> None:
    story.users("alice")
    story.did(register_resource, resource=BUCKET)
    story.put(BUCKET, to("*", deny("s3:DeleteBucket")))
    story.attach(ADMINISTRATOR, user="alice")
    found = story.radius(story.key("alice"))
    assert not found.administrator
    [whole] = found.permissions
    assert whole.pattern == "*"
    assert whole.but_for == (f"s3:DeleteBucket on {BUCKET}", f"s3:DeleteBucket on {BUCKET}/*")


def test_a_revoked_key_is_looked_at_from_when_it_is_suspected(story: Story) -> None:
    story.users("alice")
    story.group("ops")
    story.policy("reports", allow("s3:GetObject", REPORTS))
    story.attach("reports", user="alice")
    key = story.key("alice")
    start = story.detach("reports", "alice")
    suspected = datetime.now(UTC)
    story.inline("short", "alice", allow("sqs:SendMessage"))
    story.did(inline_policy.delete_user_policy, user="alice", policy_name="short")
    story.used(key, "s3", suspected)
    story.ledger.circumstances = Circumstances(Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, access_key_id=key))
    made = story.did(user.create_user, name="mallory")
    story.ledger.circumstances = Circumstances(OPERATOR)
    revoked = story.did(
        access_key.revoke_access_key,
        key=key,
        revocation_reason=RevocationReason.KEY_COMPROMISE,
        suspected_since=suspected,
    )
    story.inline("later", "alice", allow("sns:Publish"))
    found = story.radius(key)
    assert (found.period.first, found.period.last, found.period.until_why) == (start, revoked - 1, "revoked")
    assert [(one.pattern, one.first, one.last) for one in found.permissions] == [
        ("sqs:SendMessage", start + 1, start + 1)
    ]
    assert [event.position for event in found.commands] == [made]
    assert [(use["ServiceName"], use["Uses"]) for use in found.uses] == [("s3", 1)]
    assert not found.administrator
    whole = story.radius(key, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert whole.data == ["s3:GetObject"]
    assert whole.services == ["s3", "sqs"]


def test_an_administrators_key_and_the_end_of_a_grace(story: Story) -> None:
    story.users("alice")
    story.attach(ADMINISTRATOR, user="alice")
    key = story.key("alice")
    rotated = story.did(access_key.rotate_access_key, user="alice", grace=timedelta(0))
    assert story.radius(key).period.until_why == "past its grace"
    story.users("bob")
    found = story.radius(key)
    assert found.administrator
    assert found.period.until_why == "past its grace"
    assert found.period.last == rotated
    assert [one.pattern for one in found.permissions] == ["*"]
    with pytest.raises(InvalidInput, match="before"):
        story.radius(key, since=datetime.now(UTC))
    with pytest.raises(InvalidInput, match="not come yet"):
        story.radius(key, since=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(NoSuchEntity):
        story.radius("AKIAIOSFODNN7EXAMPLE")


# Unused


def test_what_is_unused_is_told_by_service(story: Story) -> None:
    story.users("alice", "bob")
    story.group("empty")
    story.policy("both", allow(["s3:Get*", "sqs:*"]), deny("iam:*"))
    story.policy("nobodys", allow("s3:*"))
    story.policy("bound", allow("*"))
    story.attach("both", user="alice")
    story.attach("both", group="empty")
    story.did(permissions_boundary.put_user_permissions_boundary, user="bob", policy=arn("bound"))
    story.attach(ADMINISTRATOR, user="bob")
    key = story.key("alice")
    story.used(key, "s3", NOW - timedelta(days=1))
    found = story.unused(NOW - timedelta(days=10))
    assert [(one.kind, one.name, one.of, one.unused) for one in found] == [
        ("User", "bob", None, "never used; it has no access key"),
        ("Grant", "both", "alice", "sqs"),
        ("Grant", "AdministratorAccess", "bob", "all services"),
        ("Policy", "nobodys", None, "attached to nobody"),
        ("Group", "empty", None, "has no members, but policies: both"),
    ]
    later = story.unused(NOW)
    assert [(one.kind, one.name, one.unused) for one in later][:2] == [
        ("AccessKey", key, "not used since then"),
        ("User", "alice", "not used since then"),
    ]
    [both] = [one for one in later if one.name == "both"]
    assert (both.unused, both.last_used) == ("s3, sqs", NOW - timedelta(days=1))


def test_commands_are_uses_of_iam(story: Story) -> None:
    story.users("alice")
    story.inline("own", "alice", allow("iam:CreateUser"))
    with story.view() as view:
        [alice] = read_grants(view).users.values()
    story.ledger.circumstances = Circumstances(Principal(alice.arn, alice.id, operator=OPERATOR))
    story.users("bob")
    assert [one.name for one in story.unused(NOW - timedelta(days=1))] == ["bob"]


# Escalations


SELF = "arn:aws:iam::*:user/${aws:username}"


@pytest.mark.parametrize(
    ("action", "resource", "target"),
    [
        ("iam:AttachUserPolicy", SELF, "alice"),
        ("iam:PutUserPolicy", "*", "alice"),
        ("iam:AttachGroupPolicy", f"arn:aws:iam::{ACCOUNT}:group/ops", "ops"),
        ("iam:PutGroupPolicy", "arn:aws:iam::*:group/*", "ops"),
        ("iam:CreatePolicyVersion", arn("held"), "held"),
    ],
)
def test_who_can_write_its_own_permissions_can_escalate(story: Story, action: str, resource: str, target: str) -> None:
    story.users("alice")
    story.group("ops", "alice")
    story.policy("held", allow(action, resource))
    story.attach("held", group="ops")
    assert story.paths() == [("alice", [action], [target], "administrator", None)]


@pytest.mark.parametrize(
    "statements",
    [
        [allow("iam:AttachUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/bob")],
        [allow("iam:AttachUserPolicy"), deny("iam:Attach*")],
        [allow("iam:CreatePolicyVersion", arn("other"))],
        [allow("iam:AddUserToGroup")],
        [allow("iam:PassRole")],
        [allow("iam:PutUserPermissionsBoundary")],
        [allow("iam:SetDefaultPolicyVersion")],
        [allow("iam:CreateAccessKey")],
        [allow("iam:Get*"), allow("iam:List*")],
    ],
)
def test_who_cannot_is_not_told(story: Story, statements: list[dict[str, Any]]) -> None:
    story.users("alice", "bob")
    story.policy("held", *statements)
    story.attach("held", user="alice")
    assert story.paths() == []


def test_keys_and_passwords_of_others_lead_as_far_as_they_can(story: Story) -> None:
    story.users("alice", "bob", "carol", "root2")
    story.inline("keys", "alice", allow("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/bob"))
    story.inline("keys", "bob", allow("iam:UpdateLoginProfile", f"arn:aws:iam::{ACCOUNT}:user/carol"))
    story.inline("self", "carol", allow("iam:PutUserPolicy", SELF))
    story.attach(ADMINISTRATOR, user="root2")
    put, change, create = "iam:PutUserPolicy", "iam:UpdateLoginProfile", "iam:CreateAccessKey"
    assert story.paths() == [
        ("alice", [create, change, put], ["bob", "carol", "carol"], "administrator", None),
        ("bob", [change, put], ["carol", "carol"], "administrator", None),
        ("carol", [put], ["carol"], "administrator", None),
    ]
    assert [one.name for one in story.escalations().administrators] == ["root2"]
    assert [path[0] for path in story.paths("bob")] == ["bob"]


def test_users_who_can_become_each_other_do_not_go_round_in_circles(story: Story) -> None:
    story.users("alice", "bob")
    for one, other, action in (("alice", "bob", "sqs:SendMessage"), ("bob", "alice", "s3:GetObject")):
        mine = allow("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/{other}")
        story.inline("keys", one, mine, allow(action))
    assert [(path[0], path[2]) for path in story.paths()] == [("alice", ["bob"]), ("bob", ["alice"])]


def test_conditions_and_boundaries_are_told(story: Story) -> None:
    story.users("alice")
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    story.inline("own", "alice", allow("iam:PutUserPolicy", SELF, Condition=mfa))
    assert story.paths()[0][-1] == "if Bool aws:MultiFactorAuthPresent true"
    story.policy("limits", allow(["iam:PutUserPolicy", "iam:DeleteUserPermissionsBoundary", "s3:*"]))
    story.did(permissions_boundary.put_user_permissions_boundary, user="alice", policy=arn("limits"))
    assert [path[3] for path in story.paths()] == ["any policy, within the boundary limits"]
    story.inline("more", "alice", allow("iam:DeleteUserPermissionsBoundary"))
    assert [path[1] for path in story.paths()] == [["iam:PutUserPolicy"], ["iam:DeleteUserPermissionsBoundary"]]
    before = story.head()
    story.policy("none", allow("s3:*"))
    story.did(permissions_boundary.put_user_permissions_boundary, user="alice", policy=arn("none"))
    assert story.paths() == []
    assert len(story.paths(position=before)) == 2


def test_a_group_of_administrators_and_roles_lead_on(story: Story) -> None:
    story.users("alice", "bob")
    story.group("admins")
    story.group("few")
    story.policy("little", allow("s3:ListAllMyBuckets"))
    story.attach("little", group="few")
    story.attach(ADMINISTRATOR, group="admins")
    story.inline("join", "alice", allow("iam:AddUserToGroup"))
    story.inline("pass", "bob", allow(["iam:PassRole", "ec2:RunInstances"]))
    assert [(path[0], path[2], path[3]) for path in story.paths()] == [
        ("alice", ["admins"], "administrator"),
        ("bob", [f"arn:aws:iam::{ACCOUNT}:role/example"], "what the role may do"),
    ]


@pytest.mark.parametrize(
    "technique",
    [one for one in TECHNIQUES if one.target in (Target.ROLES, Target.ROLE_POLICIES)],
    ids=lambda one: "+".join((one.action, *one.also)),
)
def test_roles_are_ways_up_only_with_all_that_they_take(story: Story, technique: Technique) -> None:
    story.users("alice")
    every = [technique.action, *technique.also]
    story.inline("role", "alice", allow(every))
    assert technique in [path.steps[0].technique for path in story.escalations().paths]
    for missing in every:
        story.inline("role", "alice", allow(every), deny(missing))
        assert technique not in [path.steps[0].technique for path in story.escalations().paths]


def test_a_policy_with_versions_can_be_switched(story: Story) -> None:
    story.users("alice")
    story.policy("held", allow("iam:SetDefaultPolicyVersion"))
    story.attach("held", user="alice")
    assert story.paths() == []
    story.did(
        managed_policy.create_policy_version, policy=arn("held"), document=document(allow("*")), set_as_default=False
    )
    assert [path[3] for path in story.paths()] == ["what another version of it allows"]


def test_an_inline_policy_that_is_written_anew_is_compared_with_the_old_one(story: Story) -> None:
    story.users("alice")
    before = story.inline("own", "alice", allow(["sqs:SendMessage", "sqs:DeleteMessage"]))
    key = story.key("alice")
    after = story.inline("own", "alice", allow(["sqs:SendMessage", "sns:Publish"]))
    assert story.told(before) == [
        ("alice", "-", "sqs:DeleteMessage", "*", None, after),
        ("alice", "+", "sns:Publish", "*", None, after),
    ]
    assert {one.pattern for one in story.radius(key).permissions} == {
        *("sqs:SendMessage", "sqs:DeleteMessage", "sns:Publish")
    }


def test_a_deny_that_came_is_told_as_the_cause(story: Story) -> None:
    story.users("alice")
    before = story.inline("own", "alice", allow("s3:GetObject"))
    denied = story.inline("not", "alice", deny("s3:*", "arn:aws:s3:::secret/*"))
    [change] = story.changed(before).changes
    assert (change.difference.gained, change.difference.resource) == (False, "arn:aws:s3:::secret/*")
    assert [(one.cause.effect, one.event and one.event.position) for one in change.sources] == [("Deny", denied)]


@pytest.mark.parametrize(
    ("limit", "exception"),
    [
        ({"Resource": "arn:aws:s3:::site/*"}, "s3:Delete* on arn:aws:s3:::site/*"),
        ({"NotResource": "arn:aws:s3:::scratch/*"}, "s3:Delete* on all but arn:aws:s3:::scratch/*"),
    ],
)
def test_denies_of_some_resources_are_told_beside_what_is_allowed(
    story: Story, limit: dict[str, str], exception: str
) -> None:
    story.users("alice", "bob")
    key, other = story.key("alice"), story.key("bob")
    no_deletion = {"Effect": "Deny", "Action": "s3:Delete*", **limit}
    before = story.inline("else", "bob", allow("sqs:SendMessage"))
    story.inline("own", "alice", allow("s3:*"), no_deletion)
    [change] = story.changed(before).changes
    [told] = change.difference.patterns
    assert (told.pattern, change.difference.resource, told.but_for) == ("s3:*", "*", (exception,))
    assert row_of(change)["Patterns"] == [{"Pattern": "s3:*", "Actions": told.actions, "ButFor": [exception]}]
    assert [(one.pattern, one.but_for) for one in story.radius(key).permissions] == [("s3:*", (exception,))]
    story.inline("own", "bob", allow("*"), no_deletion)
    found = story.radius(other)
    assert ("*", (exception,)) in [(one.pattern, one.but_for) for one in found.permissions]
    assert not found.administrator


# An account of many users


def many(users: int, *, extra: bool = False) -> Grants:
    """Users of a group with self-service, of whom each has a few of many policies besides, and every tenth may do more."""
    found, how = Grants(ACCOUNT, 9), How(1, NOW, {})

    def held(name: str, *statements: dict[str, Any]) -> HeldPolicy:
        made = HeldPolicy(f"{arn(name)} v1", name, "Customer managed", document(*statements), arn(name), "v1")
        found.policies[made.label] = made
        return made

    own = held("own", allow(["iam:CreateAccessKey", "iam:ChangePassword"], SELF))
    mfa = deny("iam:*", Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})
    wide = held("wide", allow("iam:CreateLoginProfile", "arn:aws:iam::*:user/u4*"), mfa)
    found.groups["all"] = Group("all", "all", f"arn:aws:iam::{ACCOUNT}:group/all")
    found.granted["all"] = [(own, how), *([(held("extra", allow("ec2:*")), how)] if extra else [])]
    for number in range(users):
        id_ = f"AIDA{number}"
        found.users[id_] = User(id_, f"u{number}", f"arn:aws:iam::{ACCOUNT}:user/u{number}", {}, NOW)
        found.groups_of[id_] = [("all", how)]
        found.granted[id_] = [(held(f"p{number % 300}", allow("s3:Get*", f"arn:aws:s3:::b{number}/*")), how)]
        if number % 10 == 0:
            found.granted[id_].append((wide, how))
    return found


@pytest.mark.slow
def test_thousands_of_users_with_self_service_are_looked_at_in_seconds() -> None:
    began = time.monotonic()
    found = escalations(many(3_000), {})
    assert {len(path.steps) for path in found.paths} == {1}
    assert len(found.paths) == 300
    assert found.untold == []
    compared = changes(Moment(many(3_000)), Moment(many(3_000, extra=True)), GrantEvents({}), CATALOGUE)
    assert {(one.difference.gained, one.difference.patterns[0][0]) for one in compared.changes} == {(True, "ec2:*")}
    assert len(compared.changes) == 3_000
    assert time.monotonic() - began < 60
