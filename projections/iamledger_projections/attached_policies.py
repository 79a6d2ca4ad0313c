"""Managed policies that are attached to users and groups, and who attached them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, close_row, open_row

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

_PRINCIPALS = {"User": "user_id", "Group": "group_id"}

projection = Projection(
    name="attached_policies",
    description="Managed policies attached to users and groups",
    key=["principal_id", "policy_id"],
    columns={
        "principal_type": "text",
        "attached_at": "timestamptz",
        "attached_by": "jsonb",
        "attached_position": "bigint",
        "reason": "text",
        "ticket": "text",
    },
    rules=[
        open_row(
            f"{type_}PolicyAttached",
            key={"principal_id": id_},
            set={
                "principal_type": type_,
                "attached_at": RECORDED_AT,
                "attached_by": FromContext("actor"),
                "attached_position": POSITION,
                "reason": FromContext("reason"),
                "ticket": FromContext("ticket"),
            },
        )
        for type_, id_ in _PRINCIPALS.items()
    ]
    + [close_row(f"{type_}PolicyDetached", key={"principal_id": id_}) for type_, id_ in _PRINCIPALS.items()],
)


def list_attached_policies(view: View, principal_id: str) -> list[Row]:
    """The managed policies attached to a user or group, ordered by name."""
    return view.rows(
        """
        SELECT p.policy_name AS "PolicyName", p.arn AS "PolicyArn", a.attached_at AS "AttachedDate",
               a.attached_by AS "AttachedBy", a.attached_position AS "AttachedPosition"
          FROM {attached_policies} a JOIN {managed_policies} p USING (policy_id)
         WHERE a.principal_id = %(id)s ORDER BY lower(p.policy_name) COLLATE "C", p.arn COLLATE "C"
        """,
        id=principal_id,
    )


def list_entities_for_policy(view: View, policy_id: str) -> list[Row]:
    """The groups and users that a managed policy is attached to, and the users that it bounds."""
    return view.rows(
        """
        SELECT t.kind AS "EntityType", coalesce(u.user_name, g.group_name) AS "EntityName", t.usage AS "Usage",
               t.at AS "Date", t.by AS "By", t.position AS "Position"
          FROM (SELECT a.principal_type AS kind, a.principal_id AS id, 'PermissionsPolicy' AS usage, a.attached_at AS at,
                       a.attached_by AS by, a.attached_position AS position
                  FROM {attached_policies} a WHERE a.policy_id = %(policy)s
                 UNION ALL
                SELECT 'User', b.user_id, 'PermissionsBoundary', b.put_at, b.put_by, b.put_position
                  FROM {permissions_boundaries} b WHERE b.policy_id = %(policy)s) AS t
          LEFT JOIN {users} u ON u.user_id = t.id
          LEFT JOIN {groups} g ON g.group_id = t.id
         ORDER BY 1, lower(coalesce(u.user_name, g.group_name)) COLLATE "C", 3
        """,
        policy=policy_id,
    )
