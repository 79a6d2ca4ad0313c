"""What readers see of a view, held against what the model says that they should see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from conftest import OPERATOR
from iamledger.engine.view import View
from iamledger.iam.refusals import NoSuchEntity
from iamledger_projections.access_keys import get_access_key, list_access_keys
from iamledger_projections.accounts import get_account
from iamledger_projections.attached_policies import list_entities_for_policy
from iamledger_projections.groups import get_group, list_groups
from iamledger_projections.inline_policies import get_inline_policy
from iamledger_projections.managed_policies import get_policy, list_policies
from iamledger_projections.permissions_boundaries import boundary_of
from iamledger_projections.policy_versions import get_version, list_versions
from iamledger_projections.reports.key_revocations import list_revocations
from iamledger_projections.reports.resources import list_resources, whole_resource
from iamledger_projections.reports.whole import whole_group, whole_policy, whole_user
from iamledger_projections.users import get_user, list_users
from stateful.grants import attached_seen, boundary_seen, entities_seen, inline_of, inline_seen
from stateful.groups import groups_of_seen, groups_seen, members_seen
from stateful.keys import keys_seen, revocations_seen
from stateful.model import Fields, State
from stateful.policies import policies_seen, policy_seen, versions_of, versions_seen
from stateful.resources import resource_seen, resources_seen
from stateful.users import account_seen, holder, users_seen

REASON = "by chance"
"""Why every command was run, whoever compares."""


def compare(view: View, state: State, turn: int) -> None:
    """Every list is as it should be, and so is one user, one group and one policy with all that belongs to it.

    `turn` says which of several, so that many comparisons come to all of them.
    """
    assert get_account(view) == account_seen(state)
    prefix = ("/", "/eng/")[turn % 2]
    assert list_users(view, prefix) == users_seen(state, prefix)
    assert list_groups(view, prefix) == groups_seen(state, prefix)
    scope, attached = (None, "Local", "AWS")[turn % 3], turn % 4 == 3
    assert list_policies(view, scope, prefix, attached) == policies_seen(state, scope, prefix, attached)
    assert list_access_keys(view) == keys_seen(state, view.time)
    assert list_access_keys(view, "ALICE") == keys_seen(state, view.time, "alice")
    for row in keys_seen(state, view.time)[:1]:
        assert get_access_key(view, row["AccessKeyId"]) == row
    _compare_revocations(view, state)
    for user_id in _one(state["users"], turn):
        _compare_user(view, state, user_id)
    for group_id in _one(state["groups"], turn):
        _compare_group(view, state, group_id)
    for policy_id in _one(state["policies"], turn):
        _compare_policy(view, state, policy_id)
    _compare_resources(view, state, turn)
    _compare_what_is_not_there(view, state)


def _one(things: Iterable[str], turn: int) -> list[str]:
    among = list(things)
    return [among[turn % len(among)]] if among else []


def _without_actors(told: Any) -> Any:
    """The same without who did it, which must have been the tester."""
    match told:
        case dict():
            actors = [name for name in told if name.endswith("By") and name != "SupersededBy"]
            assert all(told[name] == OPERATOR.told() for name in actors)
            return {name: _without_actors(value) for name, value in told.items() if name not in actors}
        case list():
            return [_without_actors(one) for one in told]
    return told


def _compare_revocations(view: View, state: State) -> None:
    revoked = _without_actors(list_revocations(view))
    for row in revoked:
        assert (row.pop("Reason"), row.pop("Ticket")) == (REASON, None)
        assert row.pop("Position") > 0
    assert revoked == revocations_seen(state)


def _compare_user(view: View, state: State, user_id: str) -> None:
    name = state["users"][user_id]["name"]
    keys = keys_seen(state, view.time, name)
    boundary = boundary_seen(state, user_id)
    assert _without_actors(whole_user(view, name.swapcase())) == {
        **next(row for row in users_seen(state) if row["UserId"] == user_id),
        "PermissionsBoundary": boundary and boundary["PermissionsBoundaryArn"],
        "Groups": groups_of_seen(state, user_id),
        "AttachedPolicies": attached_seen(state, user_id),
        "InlinePolicies": inline_seen(state, user_id),
        "AccessKeys": [{column: key[column] for column in key if column != "UserName"} for key in keys],
    }
    assert _without_actors(boundary_of(view, user_id)) == boundary
    _compare_inline_texts(view, state, user_id)


def _compare_group(view: View, state: State, group_id: str) -> None:
    (group,) = [row for row in groups_seen(state) if row["GroupId"] == group_id]
    whole: Fields = {
        **{column: value for column, value in group.items() if column != "Members"},
        "Members": members_seen(state, group_id),
        "AttachedPolicies": attached_seen(state, group_id),
        "InlinePolicies": inline_seen(state, group_id),
    }
    assert _without_actors(whole_group(view, group["GroupName"].swapcase())) == whole
    _compare_inline_texts(view, state, group_id)


def _compare_inline_texts(view: View, state: State, principal_id: str) -> None:
    for (name, held), row in zip(
        sorted(inline_of(state, principal_id).items()), inline_seen(state, principal_id), strict=True
    ):
        told = _without_actors(get_inline_policy(view, principal_id, name))
        assert told == {**row, "Document": held["document"]}


def _compare_policy(view: View, state: State, policy_id: str) -> None:
    policy, versions = policy_seen(state, policy_id), versions_of(state, policy_id)
    assert _without_actors(whole_policy(view, policy["Arn"])) == {
        **policy,
        "Versions": versions_seen(state, policy_id),
        "Attachments": entities_seen(state, policy_id),
        "Document": versions[policy["DefaultVersionId"]]["document"],
    }
    named = [row for row in policies_seen(state) if row["PolicyName"].lower() == policy["PolicyName"].lower()]
    first = min(named, key=lambda row: row["Scope"] == "AWS")
    assert get_policy(view, policy["PolicyName"].swapcase())["Arn"] == first["Arn"]
    for row in versions_seen(state, policy_id):
        told = _without_actors(get_version(view, policy_id, row["VersionId"]))
        assert told == {**row, "Document": versions[row["VersionId"]]["document"]}


def _compare_resources(view: View, state: State, turn: int) -> None:
    shared, orphaned = turn % 3 == 1, turn % 4 == 1
    seen = resources_seen(state, shared, orphaned)
    assert _without_actors(list_resources(view, shared=shared, orphaned=orphaned)) == seen
    for creator in _one({row["CreatorId"] for row in seen if row["CreatorId"]}, turn):
        mine = [row for row in resources_seen(state) if row["CreatorId"] == creator]
        assert _without_actors(list_resources(view, [creator])) == mine
    for arn in _one(state["resources"], turn):
        told = whole_resource(view, arn)
        assert told["PolicyPutBy"] == (OPERATOR.told() if told["Document"] else None)
        del told["PolicyPutBy"]
        assert _without_actors(told) == resource_seen(state, arn)


def _compare_what_is_not_there(view: View, state: State) -> None:
    if holder(state, "Bob"):
        assert get_user(view, "bOb") in users_seen(state)
    else:
        with pytest.raises(NoSuchEntity):
            get_user(view, "bOb")
    for ask in (
        lambda: get_group(view, "no-group"),
        lambda: get_policy(view, "no-policy"),
        lambda: whole_resource(view, "arn:"),
    ):
        with pytest.raises(NoSuchEntity):
            ask()
    assert list_versions(view, "no id") == list_entities_for_policy(view, "no id") == []
