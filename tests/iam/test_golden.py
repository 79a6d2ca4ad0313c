"""Every form in which an event was ever stored, in tests/golden/events: it can be read, and is still written, as it was.

A file holds what the store keeps of one event: {"type", "version", "tags", "data", "personal"}. In `data`, digests
stand in the place of personal values; `personal` has the values and the salt, which is all zeros here.

For a new event, or a new optional field, add variants to `VARIANTS` and run once with IAMLEDGER_WRITE_GOLDEN=1. That
writes the files that are missing and **never changes one that is there**: it would be a form that ledgers hold. When
a type gets a field, rename its variants here (say, `UserCreated.v2`): the old files stay, and must still be read.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import pytest

from iamledger.iam.access_key import (
    AccessKeyActivated,
    AccessKeyCreated,
    AccessKeyDeactivated,
    AccessKeyRevoked,
    AccessKeyRotated,
    AccessKeyUsed,
    RevocationReason,
)
from iamledger.iam.account import AccountCreated
from iamledger.iam.attachment import GroupPolicyAttached, GroupPolicyDetached, UserPolicyAttached, UserPolicyDetached
from iamledger.iam.denial import RequestDenied
from iamledger.iam.events import Event, event_types, from_stored
from iamledger.iam.group import GroupCreated, GroupDeleted, GroupPathChanged, GroupRenamed
from iamledger.iam.inline_policy import GroupPolicyDeleted, GroupPolicyPut, UserPolicyDeleted, UserPolicyPut
from iamledger.iam.managed_policy import (
    DefaultPolicyVersionSet,
    ManagedPolicyImported,
    PolicyCreated,
    PolicyDeleted,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from iamledger.iam.membership import UserAddedToGroup, UserRemovedFromGroup
from iamledger.iam.permissions_boundary import UserPermissionsBoundaryDeleted, UserPermissionsBoundaryPut
from iamledger.iam.resource import (
    ResourceDeregistered,
    ResourcePolicyDeleted,
    ResourcePolicyPut,
    ResourceRegistered,
    ResourceTransferred,
)
from iamledger.iam.user import UserCreated, UserDeleted, UserPathChanged, UserRenamed, UserTagged, UserUntagged
from iamledger.ledger import _stored
from iamledger.store.canonical import canonical, parse
from iamledger.store.events import Context, digest, encode
from specification import given

FOLDER = Path(__file__).parent.parent / "golden" / "events"
WRITE = os.environ.get("IAMLEDGER_WRITE_GOLDEN") == "1"  # read before the tests clean the environment
SALT = bytes(16)

USER, KEY, NEXT = "AIDAQAAAAAEBAGBAFAYDQ", "AKIAQOD3VGQ2AAAAAAAB", "AKIAQOD3VGQ2AAAAAAAC"
TIME = datetime(2026, 11, 24, 17, 37, 30, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
OF_KEY = {"access_key_id": KEY, "user_id": USER}
GROUP, POLICY, MANAGED = "AGPAQAAAAAEBAGBAFAYDQ", "ANPAQAAAAAEBAGBAFAYDQ", "ANPAQAAAAAEBAGBAFAYDR"
ARN, AWS_ARN = "arn:aws:iam::123456789012:policy/ops/Deploy+1=x,y.z@-_", "arn:aws:iam::aws:policy/job-function/Billing"
OF_POLICY = {"policy_id": POLICY, "arn": ARN, "policy_name": "Deploy+1=x,y.z@-_", "path": "/ops/", "version_id": "v1"}
OF_AWS = {"policy_id": MANAGED, "arn": AWS_ARN, "policy_name": "Billing", "path": "/job-function/", "version_id": "v1"}
BOUND = {"user_id": USER, "policy_id": POLICY, "policy_arn": ARN}
BOUND_TO_GROUP = {"group_id": GROUP, "policy_id": MANAGED, "policy_arn": AWS_ARN}
TEXT = '{"Version": "2012-10-17",\r\n\t"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}\n'
OTHER = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::b/\\u00e9é\\/*"}}'
OTHER_USER, OF_RESOURCE = "AIDAQAAAAAEBAGBAFAYDR", {"resource_arn": 'arn:aws:sqs:eu-west-1:123456789012:jobs/A b~"$'}

VARIANTS: dict[str, Event] = {
    "AccountCreated": AccountCreated(account_id="123456789012", account_name="Acme & Co", email="root@acme.example"),
    "UserCreated": UserCreated(user_id=USER, user_name="Alice", path="/eng/", tags=[("Team", "Größe"), ("cost", "")]),
    "UserCreated.without-tags": UserCreated(user_id=USER, user_name="alice+1=x,y.z@-_", path="/"),
    "UserRenamed": UserRenamed(user_id=USER, old_user_name="Alice", user_name="Carol"),
    "UserPathChanged": UserPathChanged(user_id=USER, path="/eng/~!/"),
    "UserTagged": UserTagged(user_id=USER, tags=[("Team", "名前"), ("cost", "1")]),
    "UserUntagged": UserUntagged(user_id=USER, tags=[("Team", "x")]),
    "UserUntagged.none-left": UserUntagged(user_id=USER, tags=[]),
    "UserDeleted": UserDeleted(user_id=USER, user_name="Alice"),
    "AccessKeyCreated": AccessKeyCreated(**OF_KEY),
    "AccessKeyDeactivated": AccessKeyDeactivated(**OF_KEY),
    "AccessKeyActivated": AccessKeyActivated(**OF_KEY),
    "AccessKeyRotated": AccessKeyRotated(**OF_KEY, superseded_by=NEXT, usable_until=TIME),
    "AccessKeyRevoked": AccessKeyRevoked(
        **OF_KEY,
        revocation_reason=RevocationReason.KEY_COMPROMISE,
        note="in a public\nrepository",
        suspected_since=TIME,
    ),
    "AccessKeyRevoked.without-note": AccessKeyRevoked(**OF_KEY, revocation_reason=RevocationReason.UNSPECIFIED),
    "AccessKeyRevoked.long-ago": AccessKeyRevoked(
        **OF_KEY, revocation_reason=RevocationReason.SUPERSEDED, suspected_since=datetime(999, 1, 1, tzinfo=UTC)
    ),
    "AccessKeyUsed": AccessKeyUsed(
        **OF_KEY, service_name="s3", region="eu-west-1", used_at=TIME, use=f"{KEY}/s3/eu-west-1/2026-11-24T12:00Z"
    ),
    "RequestDenied": RequestDenied(
        user_id=USER,
        action="iam:CreateUser",
        resource_arn="arn:aws:iam::123456789012:user/eng/~!/carol",
        outcome="explicitDeny",
        decided_by="identity-based policy",
        statements=[{"policy": "inline policy x of user Alice", "statement": 1, "sid": "NotCarol"}],
    ),
    "RequestDenied.implicitly": RequestDenied(
        user_id=USER,
        action="iam:X",
        resource_arn="*",
        outcome="implicitDeny",
        decided_by="permissions boundary",
        statements=[],
    ),
    "GroupCreated": GroupCreated(group_id=GROUP, group_name="Admins+1=x,y.z@-_", path="/ops/"),
    "GroupRenamed": GroupRenamed(group_id=GROUP, old_group_name="Admins", group_name="Staff"),
    "GroupPathChanged": GroupPathChanged(group_id=GROUP, path="/ops/~!/"),
    "GroupDeleted": GroupDeleted(group_id=GROUP, group_name="Admins"),
    "UserAddedToGroup": UserAddedToGroup(user_id=USER, group_id=GROUP),
    "UserRemovedFromGroup": UserRemovedFromGroup(user_id=USER, group_id=GROUP),
    "PolicyCreated": PolicyCreated(**OF_POLICY, description="Größe\n😀", document=TEXT),
    "PolicyCreated.without-description": PolicyCreated(**OF_POLICY, document=OTHER),
    "ManagedPolicyImported": ManagedPolicyImported(**OF_AWS, description="Bills of all kinds.", document=TEXT),
    "ManagedPolicyImported.without-description": ManagedPolicyImported(**OF_AWS, document=OTHER),
    "PolicyVersionCreated": PolicyVersionCreated(policy_id=POLICY, version_id="v12", document=OTHER),
    "DefaultPolicyVersionSet": DefaultPolicyVersionSet(policy_id=POLICY, version_id="v12"),
    "PolicyVersionDeleted": PolicyVersionDeleted(policy_id=POLICY, version_id="v2"),
    "PolicyDeleted": PolicyDeleted(policy_id=POLICY, arn=ARN, version_id="v12"),
    "UserPolicyAttached": UserPolicyAttached(**BOUND),
    "UserPolicyDetached": UserPolicyDetached(**BOUND),
    "GroupPolicyAttached": GroupPolicyAttached(**BOUND_TO_GROUP),
    "GroupPolicyDetached": GroupPolicyDetached(**BOUND_TO_GROUP),
    "UserPolicyPut": UserPolicyPut(user_id=USER, policy_name="Own_keys", document=TEXT),
    "UserPolicyDeleted": UserPolicyDeleted(user_id=USER, policy_name="Own_keys"),
    "GroupPolicyPut": GroupPolicyPut(group_id=GROUP, policy_name="Own_keys", document=OTHER),
    "GroupPolicyDeleted": GroupPolicyDeleted(group_id=GROUP, policy_name="Own_keys"),
    "UserPermissionsBoundaryPut": UserPermissionsBoundaryPut(**BOUND),
    "UserPermissionsBoundaryDeleted": UserPermissionsBoundaryDeleted(**BOUND),
    "ResourceRegistered": ResourceRegistered(**OF_RESOURCE, creator_id=USER, creator_name="Alice"),
    "ResourceRegistered.without-creator": ResourceRegistered(resource_arn="arn:aws-cn:s3:::Reports"),
    "ResourceTransferred": ResourceTransferred(
        **OF_RESOURCE, responsible_id=OTHER_USER, responsible_name="bob", old_responsible_id=USER
    ),
    "ResourceTransferred.from-nobody": ResourceTransferred(
        **OF_RESOURCE, responsible_id=USER, responsible_name="Alice"
    ),
    "ResourcePolicyPut": ResourcePolicyPut(**OF_RESOURCE, document=OTHER),
    "ResourcePolicyDeleted": ResourcePolicyDeleted(**OF_RESOURCE),
    "ResourceDeregistered": ResourceDeregistered(**OF_RESOURCE),
}  # fmt: skip


def as_stored(event: Event) -> dict[str, Any]:
    """What the store keeps of an event, by way of the same code that appends it."""
    with patch.object(os, "urandom", lambda size: SALT[:size]):
        (kept,) = parse(encode([_stored(event)], Context()))
    return {name: kept[name] for name in ("type", "version", "tags", "data", "personal")}


def written(form: dict[str, Any]) -> str:
    return json.dumps(form, indent=2, ensure_ascii=False) + "\n"


def golden(name: str) -> dict[str, Any]:
    form: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return form


if WRITE:
    for name, event in VARIANTS.items():
        if not (FOLDER / f"{name}.json").exists():
            (FOLDER / f"{name}.json").write_text(written(as_stored(event)))

FILES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", VARIANTS)
def test_an_event_is_written_as_it_always_was(name: str) -> None:
    assert written(as_stored(VARIANTS[name])) == (FOLDER / f"{name}.json").read_text()


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_read(name: str) -> None:
    form = golden(name)
    readable = {**form["data"], **(form["personal"] or {"data": {}})["data"]}
    event = from_stored(form["type"], readable)
    assert type(event) is event_types()[form["type"]]
    again = event.model_dump(mode="json")
    assert {field: again[field] for field in readable} == readable  # a field that was lost or means another thing fails
    assert event.ledger_tags() == form["tags"]
    if name in VARIANTS:
        assert event == VARIANTS[name]


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_read_when_its_personal_values_are_erased(name: str) -> None:
    form = golden(name)
    concealed = (form["personal"] or {"data": {}})["data"]
    event = from_stored(form["type"], {**form["data"], **dict.fromkeys(concealed)})
    assert event is not None
    assert [field for field in concealed if getattr(event, field) is not None] == []
    given(event)  # and an erased form can be folded from


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_strict_json_and_hides_what_is_personal(name: str) -> None:
    form = golden(name)
    assert parse(canonical(form)) == form
    assert form["version"] == 1
    hidden = {} if form["personal"] is None else form["personal"]["data"]
    for field, value in hidden.items():
        assert form["data"][field] == {"digest": digest(field, value, SALT)}
    if hidden:
        assert form["personal"] == {"context": {}, "data": hidden, "salt": SALT.hex()}
    personal = set(event_types()[form["type"]].personal_fields())
    assert set(hidden) == {field for field in personal if form["data"][field]}


def test_the_names_of_events_and_fields_are_those_of_the_forms() -> None:
    """A new name for a class or a field fails here, and so does an event that has no form yet."""
    fields = {name: set(event.model_fields) for name, event in event_types().items()}
    assert {golden(name)["type"] for name in FILES} == {golden(name)["type"] for name in VARIANTS} == set(fields)
    for name in VARIANTS:
        assert set(golden(name)["data"]) == fields[golden(name)["type"]]


def test_every_optional_field_has_a_form_with_it_and_one_without() -> None:
    for type_, event in event_types().items():
        forms = [variant for variant in VARIANTS.values() if type(variant) is event]
        for field, info in event.model_fields.items():
            values = [getattr(form, field) for form in forms]
            assert any(value not in (None, info.default) for value in values), (type_, field)
            assert info.is_required() or info.default in values, (type_, field)


def test_no_field_holds_a_float() -> None:
    def kinds(annotation: Any) -> set[Any]:
        return {annotation}.union(*map(kinds, get_args(annotation)))

    for event in event_types().values():
        for field, info in event.model_fields.items():
            allowed = {str, int, bool, list, tuple, type(None), datetime, RevocationReason}
            found = {kind for kind in kinds(info.annotation) if isinstance(kind, type) and not get_args(kind)}
            assert found, field
            assert found <= allowed, f"{event.__name__}.{field}: how is it stored as strict JSON?"


def test_a_policy_is_stored_with_the_name_that_is_unique_as_a_tag() -> None:
    for name in ("PolicyCreated", "PolicyDeleted"):
        assert golden(name)["tags"] == [f"policy:{POLICY}", "policy-name:123456789012:deploy+1=x,y.z@-_"]
    assert golden("ManagedPolicyImported")["tags"] == [f"policy:{MANAGED}", "policy-name:aws:billing"]


def test_a_document_is_stored_as_it_was_submitted() -> None:
    assert golden("PolicyCreated")["data"]["document"] == TEXT
    assert golden("PolicyVersionCreated")["data"]["document"] == OTHER


def test_times_are_stored_in_utc_with_six_digits() -> None:
    assert golden("AccessKeyRotated")["data"]["usable_until"] == "2026-11-24T12:07:30.000005Z"
    assert golden("AccessKeyRevoked.long-ago")["data"]["suspected_since"] == "0999-01-01T00:00:00.000000Z"
