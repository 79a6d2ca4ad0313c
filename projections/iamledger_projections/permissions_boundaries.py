"""Users with a permissions boundary, and who set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, close_row, open_row

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="permissions_boundaries",
    description="Users with a permissions boundary",
    key=["user_id"],
    columns={"policy_id": "text", "put_at": "timestamptz", "put_by": "jsonb", "put_position": "bigint"},
    rules=[
        open_row(
            "UserPermissionsBoundaryPut",
            set={"put_at": RECORDED_AT, "put_by": FromContext("actor"), "put_position": POSITION},
        ),
        close_row("UserPermissionsBoundaryDeleted"),
    ],
)


def boundary_of(view: View, user_id: str) -> Row | None:
    """The policy that bounds a user, if there is one."""
    rows = view.rows(
        """
        SELECT p.arn AS "PermissionsBoundaryArn", b.put_at AS "PutDate", b.put_by AS "PutBy",
               b.put_position AS "PutPosition"
          FROM {permissions_boundaries} b JOIN {managed_policies} p USING (policy_id)
         WHERE b.user_id = %(user)s
        """,
        user=user_id,
    )
    return rows[0] if rows else None
