"""Commands of callers who are not the local operator: what they are permitted is decided by the grants in the ledger."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest

import iamledger.iam
from conftest import ACCOUNT, MASTER_KEY, OPERATOR, Disturbance, Points, new_ledger
from iamledger import store
from iamledger.access.grants import READS, read_grants
from iamledger.actors import Principal
from iamledger.authorization import Demand
from iamledger.callers import Credentials, authenticated, spoken_for
from iamledger.decisions import Command, Decision, parameters
from iamledger.engine.view import open_view
from iamledger.iam.access_key import (
    create_access_key,
    deactivate_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
    use_of,
)
from iamledger.iam.account import create_account
from iamledger.iam.attachment import attach_group_policy, attach_user_policy, detach_user_policy
from iamledger.iam.denial import RequestDenied
from iamledger.iam.group import create_group, delete_group, update_group
from iamledger.iam.inline_policy import delete_user_policy, put_group_policy, put_user_policy
from iamledger.iam.managed_policy import create_policy, create_policy_version, delete_policy, import_managed_policy
from iamledger.iam.membership import add_user_to_group, move_user, remove_user_from_group
from iamledger.iam.permissions import permissions_of
from iamledger.iam.permissions_boundary import delete_user_permissions_boundary, put_user_permissions_boundary
from iamledger.iam.refusals import (
    AccessDenied,
    InvalidClientTokenId,
    InvalidInput,
    NoSuchEntity,
    SignatureDoesNotMatch,
    ValidationError,
)
from iamledger.iam.resource import (
    delete_resource_policy,
    put_resource_policy,
    register_resource,
    share_resource,
    unshare_resource,
)
from iamledger.iam.user import create_user, delete_user, tag_user, untag_user, update_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.policy import Request, compile_policies
from iamledger.principals import REGION, known_of_requests
from iamledger.read_models import all_projections

ALICE = f"arn:aws:iam::{ACCOUNT}:user/eng/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
OPS = f"arn:aws:iam::{ACCOUNT}:policy/ops"


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> str:
    """A policy with one statement."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def staff(ledger: Ledger) -> Ledger:
    """The operator's ledger, with alice, bob, a group and a policy."""
    ledger.execute(create_user, name="alice", path="/eng/")
    ledger.execute(create_user, name="bob")
    ledger.execute(create_group, name="ops")
    ledger.execute(create_policy, name=OPS, document=allow("s3:GetObject"))
    return ledger


def by(ledger: Ledger, name: str, **circumstances: str) -> Ledger:
    """The same ledger, spoken to by a user."""
    who = spoken_for(ledger.database.connection, ledger.account_id, name, OPERATOR)
    return Ledger(
        ledger.database, ledger.account_id, Circumstances(who, **circumstances), master_key=lambda: MASTER_KEY
    )


def grant(ledger: Ledger, document: str, user: str = "alice", name: str = "granted") -> None:
    ledger.execute(put_user_policy, user=user, policy_name=name, document=document)


def denials(ledger: Ledger) -> list[dict[str, Any]]:
    """The denied attempts on record."""
    found = store.read(ledger.database.connection, ledger.account_id, [store.Match([], ["RequestDenied"])])
    return [dict(event.data) for event in found]  # type: ignore[arg-type]


def head(ledger: Ledger) -> int:
    return store.head(ledger.database.connection, ledger.account_id).position


# Every decision says what it needs

KEY = "AKIARZPUZDIKAAAAAAAA"
DECISIONS = sorted(
    {
        decision
        for module in iter_modules(iamledger.iam.__path__)
        for decision in vars(import_module(f"iamledger.iam.{module.name}")).values()
        if inspect.isfunction(decision)
        and not decision.__name__.startswith("_")
        and decision.__module__.startswith("iamledger.iam.")
        and str(get_type_hints(decision).get("return", "")) == "collections.abc.Iterator[iamledger.iam.events.Event]"
    },
    key=lambda decision: decision.__name__,
)


def test_the_decisions_are_found() -> None:
    assert len(DECISIONS) > 30
    assert create_user in DECISIONS


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.__name__)
def test_every_decision_tells_what_its_caller_must_be_permitted(decision: Decision) -> None:
    if decision is create_account:
        assert permissions_of(decision) == ()  # the local operator's alone
        return
    told = {parameter.name: parameter for parameter in parameters(decision)}
    assert permissions_of(decision)
    for permission in permissions_of(decision):
        service, _, action = permission.action.partition(":")
        assert service in ("iam", "iamledger")
        assert action[0].isupper()
        if isinstance(permission.on, str):
            assert told[permission.on].noun is not None
            assert not told[permission.on].optional
        assert set(permission.keys.values()) | ({permission.when} if permission.when else set()) <= set(told)


# What it takes

CASES: dict[str, tuple[Decision, dict[str, Any], list[tuple[str, str]]]] = {
    "create-user": (create_user, {"name": "carol", "path": "/hr/"}, [("iam:CreateUser", "user/hr/carol")]),
    "create-user with tags": (
        create_user,
        {"name": "carol", "tags": [("team", "hr")]},
        [("iam:CreateUser", "user/carol"), ("iam:TagUser", "user/carol")],
    ),
    "rename a user": (
        update_user,
        {"user": "alice", "new_name": "carol"},
        [("iam:UpdateUser", "user/eng/alice"), ("iam:UpdateUser", "user/eng/carol")],
    ),
    "move a user to another path": (
        update_user,
        {"user": "bob", "new_path": "/x/"},
        [("iam:UpdateUser", "user/bob"), ("iam:UpdateUser", "user/x/bob")],
    ),
    "delete a user": (delete_user, {"user": "bob"}, [("iam:DeleteUser", "user/bob")]),
    "tag": (tag_user, {"user": "bob", "tags": [("a", "b")]}, [("iam:TagUser", "user/bob")]),
    "untag": (untag_user, {"user": "bob", "keys": ["a"]}, [("iam:UntagUser", "user/bob")]),
    "create a key": (create_access_key, {"user": "alice"}, [("iam:CreateAccessKey", "user/eng/alice")]),
    "create a group": (create_group, {"name": "dev", "path": "/p/"}, [("iam:CreateGroup", "group/p/dev")]),
    "rename a group": (
        update_group,
        {"group": "ops", "new_name": "dev"},
        [("iam:UpdateGroup", "group/ops"), ("iam:UpdateGroup", "group/dev")],
    ),
    "delete a group": (delete_group, {"group": "ops"}, [("iam:DeleteGroup", "group/ops")]),
    "add to a group": (add_user_to_group, {"user": "bob", "group": "ops"}, [("iam:AddUserToGroup", "group/ops")]),
    "remove from a group": (
        remove_user_from_group,
        {"user": "bob", "group": "ops"},
        [("iam:RemoveUserFromGroup", "group/ops")],
    ),
    "attach": (attach_user_policy, {"user": "bob", "policy": OPS}, [("iam:AttachUserPolicy", "user/bob")]),
    "attach to a group": (
        attach_group_policy,
        {"group": "ops", "policy": OPS},
        [("iam:AttachGroupPolicy", "group/ops")],
    ),
    "put inline": (
        put_user_policy,
        {"user": "bob", "policy_name": "p", "document": allow("s3:*")},
        [("iam:PutUserPolicy", "user/bob")],
    ),
    "put inline of a group": (
        put_group_policy,
        {"group": "ops", "policy_name": "p", "document": allow("s3:*")},
        [("iam:PutGroupPolicy", "group/ops")],
    ),
    "set a boundary": (
        put_user_permissions_boundary,
        {"user": "bob", "policy": OPS},
        [("iam:PutUserPermissionsBoundary", "user/bob")],
    ),
    "clear a boundary": (
        delete_user_permissions_boundary,
        {"boundary": "bob"},
        [("iam:DeleteUserPermissionsBoundary", "user/bob")],
    ),
    "create a policy": (
        create_policy,
        {"name": f"arn:aws:iam::{ACCOUNT}:policy/q/new", "document": allow("s3:*")},
        [("iam:CreatePolicy", "policy/q/new")],
    ),
    "create a version": (
        create_policy_version,
        {"policy": OPS, "document": allow("s3:Put*")},
        [("iam:CreatePolicyVersion", "policy/ops")],
    ),
    "create a version in force": (
        create_policy_version,
        {"policy": OPS, "document": allow("s3:Put*"), "set_as_default": True},
        [("iam:CreatePolicyVersion", "policy/ops")],
    ),
    "delete a policy": (delete_policy, {"policy": OPS}, [("iam:DeletePolicy", "policy/ops")]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_command_needs_is_needed_and_enough(staff: Ledger, case: str) -> None:
    decision, arguments, needed = CASES[case]
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:iam::{ACCOUNT}:{resource}"}
        for action, resource in needed
    ]
    alice = by(staff, "alice")
    for left_out in range(len(statements)):
        some = [statement for n, statement in enumerate(statements) if n != left_out]
        granted = json.dumps({"Statement": some or [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
        grant(staff, granted)
        before, count = head(staff), len(denials(staff))
        with pytest.raises(AccessDenied, match=needed[left_out][0]):
            alice.execute(decision, **arguments)
        assert head(staff) == before + 1
        denied = denials(staff)
        assert len(denied) == count + 1
        assert (denied[-1]["action"], denied[-1]["resource_arn"]) == (
            needed[left_out][0],
            f"arn:aws:iam::{ACCOUNT}:{needed[left_out][1]}",
        )
    grant(staff, json.dumps({"Statement": statements}))
    alice.execute(decision, **arguments)


def test_a_rotation_needs_both_of_its_operations(staff: Ledger) -> None:
    staff.execute(create_access_key, user="alice")
    grant(staff, allow("iam:CreateAccessKey", ALICE))
    with pytest.raises(AccessDenied, match="iam:UpdateAccessKey"):
        by(staff, "alice").execute(rotate_access_key, user="alice", grace=timedelta(0))
    grant(staff, allow(["iam:CreateAccessKey", "iam:UpdateAccessKey"], ALICE))
    assert by(staff, "alice").execute(rotate_access_key, user="alice", grace=timedelta(0)).secrets


def test_moving_a_user_needs_both_groups(staff: Ledger) -> None:
    staff.execute(create_group, name="dev")
    staff.execute(add_user_to_group, user="bob", group="ops")
    group = f"arn:aws:iam::{ACCOUNT}:group/"
    grant(staff, allow(["iam:RemoveUserFromGroup", "iam:AddUserToGroup"], f"{group}ops"))
    with pytest.raises(AccessDenied, match=r"iam:AddUserToGroup on resource: .*group/dev"):
        by(staff, "alice").execute(move_user, user="bob", source="ops", target="dev")
    grant(staff, allow(["iam:RemoveUserFromGroup", "iam:AddUserToGroup"], [f"{group}ops", f"{group}dev"]))
    assert by(staff, "alice").execute(move_user, user="bob", source="ops", target="dev").events


def test_a_key_is_its_owners(staff: Ledger) -> None:
    """Decisions about a key name the key alone; the permission is on the user who has it."""
    key = next(iter(staff.execute(create_access_key, user="bob").secrets))
    grant(staff, allow(["iam:UpdateAccessKey", "iam:DeleteAccessKey", "iamledger:*"], ALICE))
    for decision in (deactivate_access_key, revoke_access_key):
        with pytest.raises(AccessDenied, match=f"on resource: {key} "):
            by(staff, "alice").execute(decision, key=key)
    now = datetime.now(UTC)
    use = {"service_name": "s3", "region": "eu-west-1", "used_at": now, "use": use_of(key, "s3", "eu-west-1", now)}
    with pytest.raises(AccessDenied, match="iamledger:RecordAccessKeyUse"):
        by(staff, "alice").execute(record_access_key_use, key=key, **use)
    grant(staff, allow("iam:*AccessKey", BOB))
    assert by(staff, "alice").execute(deactivate_access_key, key=key).events


# Callers


def test_self_service_by_variables(staff: Ledger) -> None:
    mine = f"arn:aws:iam::{ACCOUNT}:user/*${{aws:username}}"
    staff.execute(
        put_group_policy, group="ops", policy_name="own", document=_with_version(allow("iam:*AccessKey*", mine))
    )
    for name in ("alice", "bob"):
        staff.execute(add_user_to_group, user=name, group="ops")
    assert by(staff, "alice").execute(create_access_key, user="alice").secrets
    assert by(staff, "bob").execute(create_access_key, user="bob").secrets
    with pytest.raises(AccessDenied):
        by(staff, "alice").execute(create_access_key, user="bob")


def _with_version(document: str) -> str:
    return json.dumps({**json.loads(document), "Version": "2012-10-17"})


def test_the_root_can_do_all_but_not_elsewhere(staff: Ledger) -> None:
    assert by(staff, "root").execute(create_user, name="carol").events
    other = new_ledger(staff.database, "234567890123")
    other.execute(create_account, account="234567890123", account_name="other", email="root@other.example")
    root = spoken_for(staff.database.connection, ACCOUNT, "root", OPERATOR)
    there = Ledger(staff.database, "234567890123", Circumstances(root), master_key=lambda: MASTER_KEY)
    with pytest.raises(AccessDenied, match="is not of account 234567890123"):
        there.execute(create_user, name="carol")
    assert head(there) == 1  # nor does it write its attempts there


def test_administrators_can_do_what_the_root_can(staff: Ledger) -> None:
    import_aws(staff)
    staff.execute(attach_user_policy, user="alice", policy="arn:aws:iam::aws:policy/AdministratorAccess")
    assert by(staff, "alice").execute(create_user, name="carol").events
    with pytest.raises(AccessDenied, match="CreateAccount is for the local operator alone"):
        by(staff, "alice").execute(create_account, account=ACCOUNT, account_name="a", email="a@b.example")


def import_aws(ledger: Ledger) -> None:
    from iamledger.iam.aws_managed import AWS_MANAGED

    for arn, about, text in AWS_MANAGED:
        ledger.execute(import_managed_policy, name=arn, description=about, document=text)


def test_a_boundary_bounds(staff: Ledger) -> None:
    grant(staff, allow("*"))
    staff.execute(put_user_permissions_boundary, user="alice", policy=OPS)
    with pytest.raises(AccessDenied, match="no permissions boundary allows"):
        by(staff, "alice").execute(delete_user_permissions_boundary, boundary="alice")
    assert denials(staff)[-1]["decided_by"] == "permissions boundary"
    staff.execute(delete_user_permissions_boundary, boundary="alice")
    assert by(staff, "alice").execute(create_user, name="carol").events


def test_an_explicit_deny_is_told_with_its_statement(staff: Ledger) -> None:
    grant(staff, allow("*"))
    staff.execute(add_user_to_group, user="alice", group="ops")
    deny = {"Sid": "NotBob", "Effect": "Deny", "Action": "iam:*", "Resource": BOB}
    staff.execute(put_group_policy, group="ops", policy_name="safe", document=json.dumps({"Statement": deny}))
    with pytest.raises(AccessDenied, match=r"with an explicit deny in an identity-based policy$"):
        by(staff, "alice").execute(create_access_key, user="bob")
    last = denials(staff)[-1]
    assert last["outcome"] == "explicitDeny"
    assert last["statements"] == [{"policy": "inline policy safe of group ops", "statement": 1, "sid": "NotBob"}]


def test_the_version_in_force_counts(staff: Ledger) -> None:
    staff.execute(attach_user_policy, user="alice", policy=OPS)
    with pytest.raises(AccessDenied):
        by(staff, "alice").execute(create_user, name="carol")
    staff.execute(create_policy_version, policy=OPS, document=allow("iam:CreateUser"))
    with pytest.raises(AccessDenied):
        by(staff, "alice").execute(create_user, name="carol")
    staff.execute(create_policy_version, policy=OPS, document=allow("iam:CreateUser"), set_as_default=True)
    assert by(staff, "alice").execute(create_user, name="carol").events


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringEquals": {"iam:PolicyARN": OPS}}, True),
        ({"ArnNotEquals": {"iam:PolicyARN": OPS}}, False),
        ({"StringEquals": {"iam:PermissionsBoundary": OPS}}, False),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringEquals": {"aws:username": "alice"}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "ops"}}, True),
        ({"StringEquals": {"aws:ResourceTag/team": "web"}}, True),
        ({"StringEquals": {"iam:ResourceTag/team": "${aws:PrincipalTag/team}"}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
        ({"NumericGreaterThan": {"aws:EpochTime": "1500000000"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, False),
    ],
    ids=str,
)
def test_the_context_of_a_command(staff: Ledger, condition: dict[str, Any], allowed: bool) -> None:
    staff.execute(tag_user, user="alice", tags=[("team", "ops")])
    staff.execute(tag_user, user="bob", tags=[("team", "web")])
    grant(staff, _with_version(allow("iam:AttachUserPolicy", BOB, Condition=condition)))
    if allowed:
        assert by(staff, "alice").execute(attach_user_policy, user="bob", policy=OPS).events
    else:
        with pytest.raises(AccessDenied):
            by(staff, "alice").execute(attach_user_policy, user="bob", policy=OPS)


def test_who_delegates_may_demand_a_boundary(staff: Ledger) -> None:
    """The keys of boundaries: policies only to the bounded, and no boundary but this one."""
    bounded = {"StringEquals": {"iam:PermissionsBoundary": OPS}}
    grant(staff, allow(["iam:AttachUserPolicy", "iam:PutUserPermissionsBoundary"], Condition=bounded))
    alice = by(staff, "alice")
    with pytest.raises(AccessDenied):
        alice.execute(attach_user_policy, user="bob", policy=OPS)
    staff.execute(create_policy, name=f"{OPS}2", document=allow("s3:*"))
    with pytest.raises(AccessDenied):
        alice.execute(put_user_permissions_boundary, user="bob", policy=f"{OPS}2")
    assert alice.execute(put_user_permissions_boundary, user="bob", policy=OPS).events
    assert alice.execute(attach_user_policy, user="bob", policy=OPS).events


def test_tags_of_the_request(staff: Ledger) -> None:
    only_team = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    storage = {**only_team, "StringEquals": {"aws:RequestTag/team": "storage"}}
    grant(staff, allow(["iam:CreateUser", "iam:TagUser"], Condition=storage))
    grant(staff, allow("iam:UntagUser", Condition=only_team), name="untag")
    alice = by(staff, "alice")
    with pytest.raises(AccessDenied):
        alice.execute(create_user, name="carol", tags=[("team", "web")])
    with pytest.raises(AccessDenied):
        alice.execute(create_user, name="carol", tags=[("team", "storage"), ("x", "y")])
    assert alice.execute(create_user, name="carol", tags=[("team", "storage")]).events
    with pytest.raises(AccessDenied):
        alice.execute(untag_user, user="carol", keys=["other"])
    assert alice.execute(untag_user, user="carol", keys=["team"]).events


def test_a_policy_that_cannot_be_read_is_told_and_allows_nothing(staff: Ledger, urls: Any) -> None:
    import psycopg

    grant(staff, allow("*"))
    with psycopg.connect(urls.superuser, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "UPDATE iamledger.events SET data = jsonb_set(data, '{document}', '\"{\"') WHERE type = 'UserPolicyPut'"
        )
    with pytest.raises(InvalidInput, match="inline policy granted of user alice cannot be read"):
        by(staff, "alice").execute(create_user, name="carol")


# What is recorded, and what is not told


def test_a_denied_attempt_is_recorded_with_who_asked_and_why(staff: Ledger) -> None:
    alice = by(staff, "alice", reason="let me in", ticket="T-1", request_id="mine")
    with pytest.raises(AccessDenied):
        alice.execute(create_user, name="carol")
    (event,) = store.read(staff.database.connection, ACCOUNT, after=head(staff) - 1)
    assert event.type == RequestDenied.__name__
    actor = event.context["actor"]
    assert isinstance(actor, dict)
    assert (actor["arn"], actor["authenticated"], actor["operator"]) == (ALICE, False, OPERATOR.told())
    assert (event.context["reason"], event.context["ticket"]) == ("let me in", "T-1")
    assert event.context["request_id"] != "mine"
    assert dict(event.data) == {  # type: ignore[arg-type]
        "user_id": actor["unique_id"],
        "action": "iam:CreateUser",
        "resource_arn": f"arn:aws:iam::{ACCOUNT}:user/carol",
        "outcome": "implicitDeny",
        "decided_by": "identity-based policy",
        "statements": [],
    }
    grant(staff, allow("iam:CreateUser"))
    assert not alice.execute(create_user, name="carol").repeated  # the id was not used up by the attempt


def test_what_is_malformed_is_told_before_it_is_recorded(staff: Ledger) -> None:
    before = head(staff)
    for decision, arguments in (
        (create_user, {"name": "carol", "path": "nonsense"}),
        (create_user, {"name": "carol", "path": f"/{'x' * 100_000}/"}),
        (update_user, {"user": "alice", "new_path": f"/{'x' * 100_000}/"}),
        (create_group, {"name": "dev", "path": "\x1b[2J"}),
        (delete_user, {"user": "x" * 200}),
    ):
        with pytest.raises(ValidationError):
            by(staff, "alice").execute(decision, **arguments)
    assert head(staff) == before


def test_a_dry_run_records_nothing(staff: Ledger) -> None:
    before = head(staff)
    with pytest.raises(AccessDenied):
        by(staff, "alice").execute(create_user, name="carol", dry_run=True)
    assert head(staff) == before


def test_whether_something_exists_is_told_only_to_who_might_do_it(staff: Ledger) -> None:
    alice = by(staff, "alice")
    for name in ("bob", "nobody"):
        with pytest.raises(AccessDenied, match=f"user/{name} because"):
            alice.execute(delete_user, user=name)
    bobs = next(iter(staff.execute(create_access_key, user="bob").secrets))
    for key in (KEY, "AKIAIOSFODNN7EXAMPLE", bobs):
        with pytest.raises(AccessDenied, match=rf"on resource: {key} because"):
            alice.execute(deactivate_access_key, key=key)
    assert denials(staff)[-1]["resource_arn"] == BOB  # which is for those to know who may read the ledger
    staff.execute(update_user, user="bob", new_path="/secret/")
    told = []
    for name in ("BOB", "NOBODY"):
        with pytest.raises(AccessDenied) as denied:
            alice.execute(delete_user, user=name)
        told.append(str(denied.value).replace(name, "X"))
    assert told[0] == told[1]
    assert denials(staff)[-2]["resource_arn"] == f"arn:aws:iam::{ACCOUNT}:user/secret/bob"
    with pytest.raises(AccessDenied, match="policy/secret because"):
        alice.execute(delete_policy, policy=f"arn:aws:iam::{ACCOUNT}:policy/secret")
    grant(staff, allow("iam:*"))
    with pytest.raises(NoSuchEntity):
        alice.execute(delete_user, user="nobody")
    with pytest.raises(NoSuchEntity):
        alice.execute(deactivate_access_key, key=KEY)


def test_an_attempt_is_recorded_once_though_the_answer_was_lost(
    staff: Ledger, points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iamledger.ledger.time", SimpleNamespace(sleep=lambda _seconds: None))
    alice = by(staff, "alice")
    with points.disturbed(Disturbance(fault="after")), pytest.raises(AccessDenied):
        alice.execute(create_user, name="carol")
    assert len(denials(staff)) == 1


def test_a_repeat_is_known_after_a_new_name_and_a_new_key(staff: Ledger) -> None:
    grant(staff, allow("iam:*"))
    first = by(staff, "alice", request_id="r").execute(update_user, user="alice", new_name="alicia")
    again = by(staff, "alicia", request_id="r").execute(update_user, user="alice", new_name="alicia")
    assert again.repeated
    assert again.first == first.first


def test_the_policy_of_a_resource_has_a_say(staff: Ledger) -> None:
    bucket = "arn:aws:s3:::reports"
    staff.execute(register_resource, resource=bucket)
    grant(staff, allow("iamledger:*", "arn:aws:s3:::*"))
    alice = by(staff, "alice")
    assert alice.execute(share_resource, resource=bucket, principal=BOB, actions=["s3:GetObject"]).events
    deny = {"Effect": "Deny", "Principal": {"AWS": ALICE}, "Action": "iamledger:PutResourcePolicy", "Resource": bucket}
    more = {
        "Effect": "Allow",
        "Principal": {"AWS": BOB},
        "Action": "iamledger:DeleteResourcePolicy",
        "Resource": bucket,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny, more]})
    staff.execute(put_resource_policy, resource=bucket, document=document)
    with pytest.raises(AccessDenied, match="with an explicit deny in a resource-based policy"):
        alice.execute(unshare_resource, resource=bucket, principal=BOB)
    assert by(staff, "bob").execute(delete_resource_policy, resource=bucket).events


def test_who_names_a_creator_may_transfer(staff: Ledger) -> None:
    grant(staff, allow("iamledger:RegisterResource"))
    alice = by(staff, "alice")
    for creator in ("bob", "nobody"):
        with pytest.raises(AccessDenied, match="iamledger:TransferResource"):
            alice.execute(register_resource, resource="arn:aws:s3:::reports", creator=creator)
    assert alice.execute(register_resource, resource="arn:aws:s3:::reports").events


def test_several_commands_are_permitted_one_after_the_other(staff: Ledger) -> None:
    """As if they were made one by one: what one of them grants counts for the next; one that is denied undoes all."""
    grant(staff, allow("iam:PutUserPolicy", ALICE))
    more = Command(put_user_policy, {"user": "alice", "policy_name": "more", "document": allow("iam:CreateUser")})
    make = Command(create_user, {"name": "carol"})
    before = head(staff)
    with pytest.raises(AccessDenied) as refused:
        by(staff, "alice").execute_all([make, more])
    assert refused.value.command == 0
    assert head(staff) == before + 1
    assert len(by(staff, "alice").execute_all([more, make]).events) == 2


# Grants belong to the append's condition

REVOCATIONS: dict[str, tuple[list[Command], Command]] = {
    "an inline policy": (
        [Command(put_user_policy, {"user": "alice", "policy_name": "p", "document": allow("iam:*")})],
        Command(delete_user_policy, {"user": "alice", "policy_name": "p"}),
    ),
    "an attachment": (
        [
            Command(create_policy_version, {"policy": OPS, "document": allow("iam:*"), "set_as_default": True}),
            Command(attach_user_policy, {"user": "alice", "policy": OPS}),
        ],
        Command(detach_user_policy, {"user": "alice", "policy": OPS}),
    ),
    "a version": (
        [
            Command(create_policy_version, {"policy": OPS, "document": allow("iam:*"), "set_as_default": True}),
            Command(attach_user_policy, {"user": "alice", "policy": OPS}),
        ],
        Command(create_policy_version, {"policy": OPS, "document": allow("s3:*"), "set_as_default": True}),
    ),
    "a membership": (
        [
            Command(put_group_policy, {"group": "ops", "policy_name": "p", "document": allow("iam:*")}),
            Command(add_user_to_group, {"user": "alice", "group": "ops"}),
        ],
        Command(remove_user_from_group, {"user": "alice", "group": "ops"}),
    ),
    "a policy of the group": (
        [
            Command(put_group_policy, {"group": "ops", "policy_name": "p", "document": allow("iam:*")}),
            Command(add_user_to_group, {"user": "alice", "group": "ops"}),
        ],
        Command(put_group_policy, {"group": "ops", "policy_name": "p", "document": allow("s3:*")}),
    ),
    "by a boundary": (
        [Command(put_user_policy, {"user": "alice", "policy_name": "p", "document": allow("iam:*")})],
        Command(put_user_permissions_boundary, {"user": "alice", "policy": OPS}),
    ),
    "by another name": (
        [Command(put_user_policy, {"user": "alice", "policy_name": "p", "document": _with_version(allow(
            "iam:*", Condition={"StringEquals": {"aws:username": "alice"}}))})],
        Command(update_user, {"user": "alice", "new_name": "carol"}),
    ),
    "by a tag": (
        [
            Command(tag_user, {"user": "alice", "tags": [("team", "ops")]}),
            Command(put_user_policy, {"user": "alice", "policy_name": "p", "document": allow(
                "iam:*", Condition={"StringEquals": {"aws:PrincipalTag/team": "ops"}})}),
        ],
        Command(tag_user, {"user": "alice", "tags": [("team", "web")]}),
    ),
    "by a tag of the one it is done to": (
        [
            Command(tag_user, {"user": "bob", "tags": [("team", "ops")]}),
            Command(put_user_policy, {"user": "alice", "policy_name": "p", "document": allow(
                "iam:*", Condition={"StringEquals": {"aws:ResourceTag/team": "ops"}})}),
        ],
        Command(untag_user, {"user": "bob", "keys": ["team"]}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REVOCATIONS)
@pytest.mark.usefixtures("no_pauses")
def test_a_grant_that_is_revoked_while_a_command_runs_is_a_conflict(staff: Ledger, points: Points, case: str) -> None:
    before, revocation = REVOCATIONS[case]
    for command in before:
        staff.execute(command.decision, **command.arguments)
    alice, conflicts, left = by(staff, "alice"), [], [revocation]

    def revoke(point: str) -> None:
        if point == "append" and left:
            command = left.pop()
            with points.undisturbed():
                staff.execute(command.decision, **command.arguments)

    disturbance = Disturbance(interfere=revoke, conflict=lambda: conflicts.append(True))
    with points.disturbed(disturbance), pytest.raises(AccessDenied):
        alice.execute(create_access_key, user="bob")
    assert conflicts == [True]


@pytest.mark.parametrize("how", ["deactivated", "revoked", "deleted"])
@pytest.mark.usefixtures("no_pauses")
def test_credentials_that_end_while_a_command_runs(staff: Ledger, points: Points, how: str) -> None:
    grant(staff, allow("iam:*"))
    ((key, secret),) = staff.execute(create_access_key, user="alice").secrets.items()
    who = authenticated(staff.database.connection, Credentials(key, secret), lambda: MASTER_KEY).principal
    alice = Ledger(staff.database, ACCOUNT, Circumstances(who), master_key=lambda: MASTER_KEY)
    left = [True]

    def end(point: str) -> None:
        if point == "append" and left:
            left.pop()
            with points.undisturbed():
                staff.execute(deactivate_access_key if how == "deactivated" else revoke_access_key, key=key)
                if how == "deleted":
                    staff.execute(delete_user_policy, user="alice", policy_name="granted")
                    staff.execute(delete_user, user="alice")

    before = head(staff)
    with points.disturbed(Disturbance(interfere=end)), pytest.raises(InvalidClientTokenId):
        alice.execute(create_user, name="carol")
    assert head(staff) == before + {"deactivated": 1, "revoked": 1, "deleted": 3}[how]


def test_a_grant_for_somebody_else_is_no_conflict(staff: Ledger, points: Points) -> None:
    grant(staff, allow("iam:*"))
    conflicts: list[bool] = []

    def others(point: str) -> None:
        if point == "append":
            with points.undisturbed():
                grant(staff, allow("iam:*"), user="bob")

    with points.disturbed(Disturbance(interfere=others, conflict=lambda: conflicts.append(True))):
        by(staff, "alice").execute(create_group, name="dev")
    assert conflicts == []


# Who the caller is


def test_callers_by_name_and_arn(staff: Ledger) -> None:
    connection = staff.database.connection
    for name in ("alice", "ALICE", ALICE):
        assert spoken_for(connection, ACCOUNT, name, OPERATOR).arn == ALICE
    for name in ("root", f"arn:aws:iam::{ACCOUNT}:root"):
        assert spoken_for(connection, ACCOUNT, name, OPERATOR).is_root
    for name in ("nobody", f"arn:aws:iam::{ACCOUNT}:user/alice", ALICE.replace("eng", "ENG"), f"{ALICE}x"):
        with pytest.raises(NoSuchEntity):
            spoken_for(connection, ACCOUNT, name, OPERATOR)
    staff.execute(create_user, name="root")
    assert spoken_for(connection, ACCOUNT, "root", OPERATOR).is_root
    assert not spoken_for(connection, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/root", OPERATOR).is_root


def test_credentials(staff: Ledger) -> None:
    connection = staff.database.connection
    ((key, secret),) = staff.execute(create_access_key, user="alice").secrets.items()

    def who(key: str = key, secret: str = secret) -> Principal:
        return authenticated(connection, Credentials(key, secret), lambda: MASTER_KEY).principal

    assert who() == Principal(ALICE, who().unique_id, access_key_id=key)
    assert who().told()["authenticated"] is True
    for wrong in ("", secret[:-1], secret + "=", secret.swapcase(), "ä"):
        with pytest.raises(SignatureDoesNotMatch) as refused:
            who(secret=wrong)
        assert secret not in str(refused.value)
    for wrong in ("AKIAIOSFODNN7EXAMPLE", key[:-1], key.lower(), "", "x" * 20, key[:-4] + "AAAA"):
        with pytest.raises(InvalidClientTokenId):
            who(key=wrong)
    staff.execute(deactivate_access_key, key=key)
    with pytest.raises(InvalidClientTokenId):
        who()


def test_a_key_whose_grace_has_ended_is_no_credential(staff: Ledger) -> None:
    ((key, secret),) = staff.execute(create_access_key, user="alice").secrets.items()
    staff.execute(rotate_access_key, user="alice", grace=timedelta(0))
    with pytest.raises(InvalidClientTokenId):
        authenticated(staff.database.connection, Credentials(key, secret), lambda: MASTER_KEY)


def test_nothing_shows_a_secret(staff: Ledger) -> None:
    ((key, secret),) = staff.execute(create_access_key, user="alice").secrets.items()
    assert secret not in repr(Credentials(key, secret))


# The same answer as the views give


def _stories(chance: random.Random) -> Iterator[Command]:
    """Grants of all kinds, given and taken."""
    actions = ["iam:CreateUser", "iam:*User", "iam:*", "iam:Get*", "iam:DeleteUser", "*"]
    resources = ["*", ALICE, BOB, f"arn:aws:iam::{ACCOUNT}:user/*", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"]

    def document() -> str:
        conditions = [
            {"StringEquals": {"aws:ResourceAccount": ACCOUNT}},
            {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}},
        ]
        statements = [
            {
                **({"Condition": chance.choice(conditions)} if chance.random() < 0.3 else {}),
                "Effect": chance.choice(["Allow", "Allow", "Allow", "Allow", "Deny"]),
                chance.choice(["Action", "Action", "NotAction"]): chance.choice(actions),
                chance.choice(["Resource", "Resource", "NotResource"]): chance.choice(resources),
            }
            for _ in range(chance.randint(1, 3))
        ]
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    user: Callable[[], str] = lambda: chance.choice(["alice", "bob"])  # noqa: E731
    while True:
        yield chance.choice(
            [
                Command(put_user_policy, {"user": user(), "policy_name": chance.choice("ab"), "document": document()}),
                Command(put_group_policy, {"group": "ops", "policy_name": "g", "document": document()}),
                Command(delete_user_policy, {"user": user(), "policy_name": chance.choice("ab")}),
                Command(create_policy_version, {"policy": OPS, "document": document(), "set_as_default": True}),
                Command(attach_user_policy, {"user": user(), "policy": OPS}),
                Command(detach_user_policy, {"user": user(), "policy": OPS}),
                Command(attach_group_policy, {"group": "ops", "policy": OPS}),
                Command(add_user_to_group, {"user": user(), "group": "ops"}),
                Command(remove_user_from_group, {"user": user(), "group": "ops"}),
                Command(put_user_permissions_boundary, {"user": user(), "policy": OPS}),
                Command(delete_user_permissions_boundary, {"boundary": user()}),
            ]
        )


@pytest.mark.parametrize("seed", range(3))
def test_commands_are_permitted_what_the_views_say(staff: Ledger, seed: int) -> None:
    """Commands fold the events of their boundary, questions read the projections: both must say the same."""
    from iamledger.iam.refusals import LimitExceeded

    chance = random.Random(seed)
    connection = staff.database.connection
    projections = [all_projections()[name] for name in READS]
    said = {True: 0, False: 0}
    for _, command in zip(range(60), _stories(chance), strict=False):
        try:
            staff.execute(command.decision, **command.arguments)
        except (NoSuchEntity, LimitExceeded):
            continue
        with open_view(connection, ACCOUNT, projections) as view:
            grants = read_grants(view)
        for user in grants.users.values():
            policies = compile_policies(grants.policy_set(user.id))
            for action in ("iam:CreateUser", "iam:GetUser"):
                resource = chance.choice([ALICE, BOB, f"arn:aws:iam::{ACCOUNT}:user/x", "*"])
                context = {**known_of_requests(view.time, ACCOUNT), "aws:RequestedRegion": REGION}
                request = Request(grants.caller(user.id), action, resource, context=context)
                expected = bool(policies.decide(request))
                said[expected] += 1
                asked = by(staff, user.name)
                if expected:
                    asked.permit([Demand(action, resource)])
                else:
                    with pytest.raises(AccessDenied):
                        asked.permit([Demand(action, resource)])
    assert min(said.values()) > 5
