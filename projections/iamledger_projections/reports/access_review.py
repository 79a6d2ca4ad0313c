"""Who has which policy, how they got it, who granted it, when and why: what is looked at in an access review.

Each read model is read once, as one set, and they are put together here: what a group has is told for each of its members,
so the answer is many times what it is made of. And no join can get a plan that loops over large sets, which happens where
the database has no statistics yet.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from iamledger.iam.refusals import NoSuchEntity
from iamledger_projections.groups import get_group
from iamledger_projections.users import get_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamledger.engine.view import Row, View

READS = (
    "users",
    "groups",
    "memberships",
    "managed_policies",
    "attached_policies",
    "inline_policies",
    "permissions_boundaries",
)
_USER = ("UserName", "UserId", "PermissionsBoundary", "PermissionsBoundaryPosition")
_POLICY = (
    "PolicyName",
    "PolicyType",
    "PolicyArn",
    "GrantedDate",
    "GrantedBy",
    "GrantedPosition",
    "Reason",
    "Ticket",
)
_GROUP = (
    "GroupName",
    "AddedToGroupDate",
    "AddedToGroupBy",
    "AddedToGroupPosition",
    "AddedToGroupReason",
    "AddedToGroupTicket",
)
COLUMNS = (*_USER, *_POLICY, *_GROUP)
_NO_POLICY: Row = dict.fromkeys(_POLICY)
_NO_GROUP: Row = dict.fromkeys(_GROUP)


def access_review(
    view: View, user_name: str | None = None, group_name: str | None = None, policy: str | None = None
) -> list[Row]:
    """A row for each user, policy and way in which the user got it, ordered by name, what is the user's own first.

    A user without any policy is a row too, with nothing in the columns of policies. Of one group: its members, and what
    they have through it. Of one policy (an ARN, or the name of managed and inline ones): who has it. Raises NoSuchEntity.
    """
    user = get_user(view, user_name)["UserId"] if user_name is not None else None
    group = get_group(view, group_name)["GroupId"] if group_name is not None else None
    managed = _managed_policies(view)
    groups = _memberships(view, user, group)
    principals = None
    if user is not None:
        principals = [user, *(group_id for group_id, _ in groups[user])]
    elif group is not None:
        principals = [group]
    policies = _policies(view, managed, policy, principals)
    rows: list[Row] = []
    for one in _users(view, managed, user):
        before = len(rows)
        ways = groups[one["UserId"]] if group is not None else [(one["UserId"], _NO_GROUP), *groups[one["UserId"]]]
        for principal, way in ways:
            rows += [{**one, **held, **way} for held in policies[principal]]
        if len(rows) == before and ways and policy is None:
            rows.append({**one, **_NO_POLICY, **ways[0][1]})
    return rows


def _managed_policies(view: View) -> dict[str, Row]:
    """Managed policies by their ids."""
    rows = view.rows(
        """
        SELECT p.policy_id, p.policy_name AS "PolicyName",
               CASE p.scope WHEN 'AWS' THEN 'AWS managed' ELSE 'Customer managed' END AS "PolicyType", p.arn AS "PolicyArn"
          FROM {managed_policies} p
        """
    )
    return {row.pop("policy_id"): row for row in rows}


def _users(view: View, managed: dict[str, Row], user: str | None) -> list[Row]:
    """Users with their permissions boundaries, by name."""
    boundaries = view.rows(
        """
        SELECT b.user_id, b.policy_id, b.put_position FROM {permissions_boundaries} b
         WHERE %(user)s::text IS NULL OR b.user_id = %(user)s
        """,
        user=user,
    )
    bounds = {
        b["user_id"]: (managed.get(b["policy_id"], _unknown(b["policy_id"]))["PolicyArn"], b["put_position"])
        for b in boundaries
    }
    rows = view.rows(
        """
        SELECT u.user_name AS "UserName", u.user_id AS "UserId" FROM {users} u
         WHERE %(user)s::text IS NULL OR u.user_id = %(user)s ORDER BY lower(u.user_name) COLLATE "C"
        """,
        user=user,
    )
    return [dict(zip(_USER, (*row.values(), *bounds.get(row["UserId"], (None, None))), strict=True)) for row in rows]


def _memberships(view: View, user: str | None, group: str | None) -> dict[str, list[tuple[str, Row]]]:
    """By user: the groups, by name, and how the user came into them."""
    names = {row["group_id"]: row["group_name"] for row in view.rows("SELECT g.group_id, g.group_name FROM {groups} g")}
    rows = view.rows(
        """
        SELECT m.user_id, m.group_id, m.added_at, m.added_by, m.added_position, m.reason, m.ticket FROM {memberships} m
         WHERE (%(user)s::text IS NULL OR m.user_id = %(user)s) AND (%(group)s::text IS NULL OR m.group_id = %(group)s)
        """,
        user=user,
        group=group,
    )
    rows.sort(key=lambda row: str(names.get(row["group_id"], row["group_id"])).lower())
    found: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for row in rows:
        user_id, group_id, *how = row.values()
        found[user_id].append((group_id, dict(zip(_GROUP, (names.get(group_id, group_id), *how), strict=True))))
    return found


def _policies(
    view: View, managed: dict[str, Row], policy: str | None, principals: Sequence[str] | None
) -> dict[str, list[Row]]:
    """By user or group, of these or of all: the policies, by name, and who granted them. Raises NoSuchEntity."""
    wanted = [
        id_
        for id_, one in managed.items()
        if policy is None or policy == one["PolicyArn"] or policy.lower() == one["PolicyName"].lower()
    ]
    attached = view.rows(
        """
        SELECT a.principal_id, a.policy_id, a.attached_at AS "GrantedDate", a.attached_by AS "GrantedBy",
               a.attached_position AS "GrantedPosition", a.reason AS "Reason", a.ticket AS "Ticket"
          FROM {attached_policies} a
         WHERE (%(wanted)s::text[] IS NULL OR a.policy_id = ANY(%(wanted)s))
           AND (%(principals)s::text[] IS NULL OR a.principal_id = ANY(%(principals)s))
        """,
        wanted=None if policy is None else wanted,
        principals=principals,
    )
    inline = view.rows(
        """
        SELECT i.principal_id, i.policy_name AS "PolicyName", 'Inline' AS "PolicyType", NULL AS "PolicyArn",
               i.put_at AS "GrantedDate", i.put_by AS "GrantedBy", i.put_position AS "GrantedPosition",
               i.reason AS "Reason", i.ticket AS "Ticket"
          FROM {inline_policies} i
         WHERE (%(policy)s::text IS NULL OR i.policy_name = %(policy)s)
           AND (%(principals)s::text[] IS NULL OR i.principal_id = ANY(%(principals)s))
        """,
        policy=policy,
        principals=principals,
    )
    if policy is not None and not wanted and not inline and not _inline_exists(view, policy):
        raise NoSuchEntity(f"Policy {policy} was not found.")
    found: dict[str, list[Row]] = defaultdict(list)
    for row in inline:
        found[row.pop("principal_id")].append(row)
    for row in attached:
        id_ = row.pop("policy_id")
        found[row.pop("principal_id")].append({**managed.get(id_, _unknown(id_)), **row})
    for held in found.values():
        held.sort(key=lambda row: (row["PolicyName"].lower(), row["PolicyType"], row["PolicyName"], row["PolicyArn"]))
    return found


def _unknown(policy_id: str) -> Row:
    """A policy that is not there, which the product lets nobody have. If somebody has one, it is told all the same."""
    return {"PolicyName": policy_id, "PolicyType": "Managed", "PolicyArn": policy_id}


def _inline_exists(view: View, policy: str) -> bool:
    """Has anybody an inline policy of that name?"""
    return view.rows("SELECT FROM {inline_policies} i WHERE i.policy_name = %(policy)s LIMIT 1", policy=policy) != []
