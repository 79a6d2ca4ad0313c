"""Who has which policy, how they got it, who granted it, when and why: what is looked at in an access review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.iam.refusals import NoSuchEntity
from iamledger_projections.groups import get_group
from iamledger_projections.users import get_user

if TYPE_CHECKING:
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
COLUMNS = (
    "UserName",
    "UserId",
    "PolicyName",
    "PolicyType",
    "PolicyArn",
    "GroupName",
    "PermissionsBoundary",
    "PermissionsBoundaryPosition",
    "GrantedDate",
    "GrantedBy",
    "GrantedPosition",
    "Reason",
    "Ticket",
    "AddedToGroupDate",
    "AddedToGroupBy",
    "AddedToGroupPosition",
    "AddedToGroupReason",
    "AddedToGroupTicket",
)

_HELD = """
    WITH policies AS (
        SELECT a.principal_id, p.policy_name, 'Managed' AS type, p.arn, a.attached_at AS at, a.attached_by AS by,
               a.attached_position AS position, a.reason, a.ticket
          FROM {attached_policies} a JOIN {managed_policies} p USING (policy_id)
         WHERE %(policy)s::text IS NULL OR p.arn = %(policy)s OR lower(p.policy_name) = lower(%(policy)s)
         UNION ALL
        SELECT i.principal_id, i.policy_name, 'Inline', NULL, i.put_at, i.put_by, i.put_position, i.reason, i.ticket
          FROM {inline_policies} i
         WHERE %(policy)s::text IS NULL OR i.policy_name = %(policy)s
    ), held AS (
        SELECT p.principal_id AS user_id, NULL AS group_id, NULL::timestamptz AS added_at, NULL::jsonb AS added_by,
               NULL::bigint AS added_position, NULL AS added_reason, NULL AS added_ticket, p.*
          FROM policies p
         WHERE %(group)s::text IS NULL
         UNION ALL
        SELECT m.user_id, m.group_id, m.added_at, m.added_by, m.added_position, m.reason, m.ticket, p.*
          FROM {memberships} m LEFT JOIN policies p ON p.principal_id = m.group_id
         WHERE p.principal_id IS NOT NULL AND %(group)s::text IS NULL OR m.group_id = %(group)s
    )
"""
"""What users have, directly (the rows of groups themselves find no user) and through groups.

Of one group: its memberships, also if it has no policy.
"""


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
    return view.rows(
        f"""
        {_HELD}
        SELECT u.user_name AS "UserName", u.user_id AS "UserId", h.policy_name AS "PolicyName", h.type AS "PolicyType",
               h.arn AS "PolicyArn", g.group_name AS "GroupName", b.arn AS "PermissionsBoundary",
               b.put_position AS "PermissionsBoundaryPosition", h.at AS "GrantedDate", h.by AS "GrantedBy",
               h.position AS "GrantedPosition", h.reason AS "Reason", h.ticket AS "Ticket",
               h.added_at AS "AddedToGroupDate", h.added_by AS "AddedToGroupBy",
               h.added_position AS "AddedToGroupPosition", h.added_reason AS "AddedToGroupReason",
               h.added_ticket AS "AddedToGroupTicket"
          FROM {{users}} u
          LEFT JOIN held h USING (user_id)
          LEFT JOIN {{groups}} g USING (group_id)
          LEFT JOIN (SELECT o.user_id, o.put_position, p.arn
                       FROM {{permissions_boundaries}} o JOIN {{managed_policies}} p USING (policy_id)) AS b
            ON b.user_id = u.user_id
         WHERE (%(user)s::text IS NULL OR u.user_id = %(user)s)
           AND (%(group)s::text IS NULL OR h.group_id IS NOT NULL)
           AND (%(policy)s::text IS NULL OR h.policy_name IS NOT NULL)
         ORDER BY lower(u.user_name) COLLATE "C", g.group_name IS NOT NULL, lower(g.group_name) COLLATE "C",
                  lower(h.policy_name) COLLATE "C", h.policy_name COLLATE "C", h.arn COLLATE "C" NULLS FIRST
        """,
        user=user,
        group=group,
        policy=policy,
    )


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
