"""One user, group or policy with all that belongs to it, as people ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger_projections.access_keys import list_access_keys
from iamledger_projections.attached_policies import list_attached_policies, list_entities_for_policy
from iamledger_projections.groups import get_group
from iamledger_projections.inline_policies import list_inline_policies
from iamledger_projections.managed_policies import get_policy
from iamledger_projections.memberships import list_groups_of, list_members
from iamledger_projections.permissions_boundaries import boundary_of
from iamledger_projections.policy_versions import get_version, list_versions
from iamledger_projections.users import get_user

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View


def whole_user(view: View, user_name: str) -> Row:
    """A user with boundary, groups, attached and inline policies, and access keys with their age. Raises NoSuchEntity."""
    user = get_user(view, user_name)
    boundary = boundary_of(view, user["UserId"])
    keys = [
        {name: value for name, value in key.items() if name != "UserName"}
        for key in list_access_keys(view, user["UserName"])
    ]
    return {
        **user,
        "PermissionsBoundary": boundary and boundary["PermissionsBoundaryArn"],
        "Groups": list_groups_of(view, user["UserId"]),
        "AttachedPolicies": list_attached_policies(view, user["UserId"]),
        "InlinePolicies": list_inline_policies(view, user["UserId"]),
        "AccessKeys": keys,
    }


def whole_group(view: View, group_name: str) -> Row:
    """A group with its members, attached and inline policies. Raises NoSuchEntity."""
    group = get_group(view, group_name)
    return {
        **group,
        "Members": list_members(view, group["GroupId"]),
        "AttachedPolicies": list_attached_policies(view, group["GroupId"]),
        "InlinePolicies": list_inline_policies(view, group["GroupId"]),
    }


def whole_policy(view: View, policy: str) -> Row:
    """A managed policy with its versions, what it is attached to, and the text in force. Raises NoSuchEntity."""
    found = get_policy(view, policy)
    return {
        **found,
        "Versions": list_versions(view, found["PolicyId"]),
        "Attachments": list_entities_for_policy(view, found["PolicyId"]),
        "Document": get_version(view, found["PolicyId"], found["DefaultVersionId"])["Document"],
    }
