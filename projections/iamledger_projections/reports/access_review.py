"""Who has which policy, how they got it, who granted it, when and why: what is looked at in an access review.

Users, policies and memberships are read as three sets, in order, and put together here: what a group has is told for each
of its members, so the answer is many times larger than what it is made of.
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
    if policy is not None and not _exists(view, policy):
        raise NoSuchEntity(f"Policy {policy} was not found.")
    groups = _by(_memberships(view, user, group), "user_id")
    principals = None
    if user is not None:
        principals = [user, *(membership["group_id"] for membership in groups[user])]
    elif group is not None:
        principals = [group]
    policies = _by(_policies(view, policy, principals), "principal_id")
    rows: list[Row] = []
    for one in _users(view, user):
        before = len(rows)
        ways = [
            (membership["group_id"], {name: membership[name] for name in _GROUP})
            for membership in groups[one["UserId"]]
        ]
        if group is None:
            ways.insert(0, (one["UserId"], _NO_GROUP))
        for principal, way in ways:
            rows += [{**one, **held, **way} for held in policies[principal]]
        if len(rows) == before and policy is None and ways:
            rows.append({**one, **_NO_POLICY, **ways[0][1]})
    return rows


def _users(view: View, user: str | None) -> list[Row]:
    return view.rows(
        """
        SELECT u.user_name AS "UserName", u.user_id AS "UserId", p.arn AS "PermissionsBoundary",
               b.put_position AS "PermissionsBoundaryPosition"
          FROM {users} u
          LEFT JOIN {permissions_boundaries} b USING (user_id)
          LEFT JOIN {managed_policies} p USING (policy_id)
         WHERE %(user)s::text IS NULL OR u.user_id = %(user)s
         ORDER BY lower(u.user_name) COLLATE "C"
        """,
        user=user,
    )


def _memberships(view: View, user: str | None, group: str | None) -> list[Row]:
    return view.rows(
        """
        SELECT m.user_id, m.group_id, g.group_name AS "GroupName", m.added_at AS "AddedToGroupDate",
               m.added_by AS "AddedToGroupBy", m.added_position AS "AddedToGroupPosition",
               m.reason AS "AddedToGroupReason", m.ticket AS "AddedToGroupTicket"
          FROM {memberships} m JOIN {groups} g USING (group_id)
         WHERE (%(user)s::text IS NULL OR m.user_id = %(user)s) AND (%(group)s::text IS NULL OR m.group_id = %(group)s)
         ORDER BY lower(g.group_name) COLLATE "C"
        """,
        user=user,
        group=group,
    )


def _policies(view: View, policy: str | None, principals: Sequence[str] | None) -> list[Row]:
    """The policies of users and groups: of these, or of all."""
    return view.rows(
        """
        SELECT * FROM (
            SELECT a.principal_id, p.policy_name AS "PolicyName", 'Managed' AS "PolicyType", p.arn AS "PolicyArn",
                   a.attached_at AS "GrantedDate", a.attached_by AS "GrantedBy", a.attached_position AS "GrantedPosition",
                   a.reason AS "Reason", a.ticket AS "Ticket"
              FROM {attached_policies} a JOIN {managed_policies} p USING (policy_id)
             WHERE (%(policy)s::text IS NULL OR p.arn = %(policy)s OR lower(p.policy_name) = lower(%(policy)s))
               AND (%(principals)s::text[] IS NULL OR a.principal_id = ANY(%(principals)s))
             UNION ALL
            SELECT i.principal_id, i.policy_name, 'Inline', NULL, i.put_at, i.put_by, i.put_position, i.reason, i.ticket
              FROM {inline_policies} i
             WHERE (%(policy)s::text IS NULL OR i.policy_name = %(policy)s)
               AND (%(principals)s::text[] IS NULL OR i.principal_id = ANY(%(principals)s))) AS held
         ORDER BY lower("PolicyName") COLLATE "C", "PolicyType", "PolicyName" COLLATE "C", "PolicyArn" COLLATE "C"
        """,
        policy=policy,
        principals=principals,
    )


def _by(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Rows by a column, which is taken out of them; in their order."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.pop(key)].append(row)
    return found


def _exists(view: View, policy: str) -> bool:
    """Is there such a policy, whoever has it?"""
    (found,) = view.rows(
        """
        SELECT EXISTS (SELECT FROM {managed_policies} p
                        WHERE p.arn = %(policy)s OR lower(p.policy_name) = lower(%(policy)s))
            OR EXISTS (SELECT FROM {inline_policies} i WHERE i.policy_name = %(policy)s) AS exists
        """,
        policy=policy,
    )
    return bool(found["exists"])
