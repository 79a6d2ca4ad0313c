"""Versions of managed policies, with their texts as they were submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, close_row, open_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="policy_versions",
    description="Versions of managed policies: text, who wrote it",
    key=["policy_id", "version_id"],
    columns={
        "document": "text",
        "create_date": "timestamptz",
        "created_by": "jsonb",
        "created_position": "bigint",
    },
    rules=[
        *(
            open_row(
                event,
                set={
                    "create_date": RECORDED_AT,
                    "created_by": FromContext("actor"),
                    "created_position": POSITION,
                },
            )
            for event in ("PolicyCreated", "ManagedPolicyImported", "PolicyVersionCreated")
        ),
        close_row("PolicyVersionDeleted"),
        close_row("PolicyDeleted"),
    ],
)


def list_versions(view: View, policy_id: str) -> list[Row]:
    """The versions of a policy, newest first."""
    return view.rows(
        """
        SELECT v.version_id AS "VersionId", v.version_id = p.default_version_id AS "IsDefaultVersion",
               v.create_date AS "CreateDate", v.created_by AS "CreatedBy", v.created_position AS "CreatedPosition"
          FROM {policy_versions} v JOIN {managed_policies} p USING (policy_id)
         WHERE policy_id = %(policy)s ORDER BY substr(v.version_id, 2)::integer DESC
        """,
        policy=policy_id,
    )


def get_version(view: View, policy_id: str, version_id: str) -> Row:
    """A version of a policy, with its text. Raises NoSuchEntity."""
    rows = view.rows(
        """
        SELECT v.version_id AS "VersionId", v.version_id = p.default_version_id AS "IsDefaultVersion",
               v.create_date AS "CreateDate", v.created_by AS "CreatedBy", v.created_position AS "CreatedPosition",
               v.document AS "Document"
          FROM {policy_versions} v JOIN {managed_policies} p USING (policy_id)
         WHERE policy_id = %(policy)s AND v.version_id = %(version)s
        """,
        policy=policy_id,
        version=version_id,
    )
    if not rows:
        raise NoSuchEntity(f"Policy version {version_id} does not exist.")
    return rows[0]
