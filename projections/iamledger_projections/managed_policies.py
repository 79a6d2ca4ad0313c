"""Managed policies: ARN, default version. `scope` is Local for the customer's own, AWS for those that AWS manages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import RECORDED_AT, Field, Projection, close_row, open_row, revise_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="managed_policies",
    description="Managed policies: ARN, default version",
    key=["policy_id"],
    columns={
        "arn": "text",
        "policy_name": "text",
        "path": "text",
        "scope": "text",
        "description": "text",
        "default_version_id": "text",
        "create_date": "timestamptz",
        "update_date": "timestamptz",
    },
    rules=[
        open_row(
            event,
            set={
                "scope": scope,
                "default_version_id": Field("version_id"),
                "create_date": RECORDED_AT,
                "update_date": RECORDED_AT,
            },
        )
        for event, scope in (("PolicyCreated", "Local"), ("ManagedPolicyImported", "AWS"))
    ]
    + [
        revise_row("PolicyVersionCreated", set={"update_date": RECORDED_AT}),
        revise_row(
            "DefaultPolicyVersionSet", set={"default_version_id": Field("version_id"), "update_date": RECORDED_AT}
        ),
        close_row("PolicyDeleted"),
    ],
)

_COLUMNS = """
    p.policy_name AS "PolicyName", p.policy_id AS "PolicyId", p.arn AS "Arn", p.path AS "Path", p.scope AS "Scope",
    p.default_version_id AS "DefaultVersionId", p.description AS "Description", p.create_date AS "CreateDate",
    p.update_date AS "UpdateDate"
"""


def list_policies(view: View, scope: str | None = None, path_prefix: str = "/", attached: bool = False) -> list[Row]:
    """Policies of one scope, `Local` or `AWS`, or all, ordered by name; with how many principals each is attached to.

    `attached` leaves out those that are attached to nobody.
    """
    return view.rows(
        f"""
        SELECT {_COLUMNS}, coalesce(a.principals, 0) AS "AttachmentCount", coalesce(b.users, 0) AS "BoundaryUsageCount"
          FROM {{managed_policies}} p
          LEFT JOIN (SELECT policy_id, count(*) AS principals FROM {{attached_policies}} GROUP BY 1) AS a USING (policy_id)
          LEFT JOIN (SELECT policy_id, count(*) AS users FROM {{permissions_boundaries}} GROUP BY 1) AS b USING (policy_id)
         WHERE (%(scope)s::text IS NULL OR p.scope = %(scope)s) AND starts_with(p.path, %(prefix)s)
           AND (NOT %(attached)s OR a.principals > 0)
         ORDER BY lower(p.policy_name) COLLATE "C", p.arn COLLATE "C"
        """,
        scope=scope,
        prefix=path_prefix,
        attached=attached,
    )


def get_policy(view: View, policy: str) -> Row:
    """The policy with that ARN or name; of two with the name, the customer's own. Raises NoSuchEntity."""
    rows = view.rows(
        f"SELECT {_COLUMNS} FROM {{managed_policies}} p WHERE p.arn = %(policy)s OR lower(p.policy_name) = lower(%(policy)s)"
        " ORDER BY p.arn = %(policy)s DESC, p.scope DESC LIMIT 1",
        policy=policy,
    )
    if not rows:
        raise NoSuchEntity(f"Policy {policy} was not found.")
    return rows[0]
