"""Which users are in which groups, and who put them there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, close_row, open_row

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="memberships",
    description="Users in groups, and who put them there",
    key=["user_id", "group_id"],
    columns={
        "added_at": "timestamptz",
        "added_by": "jsonb",
        "added_position": "bigint",
        "reason": "text",
        "ticket": "text",
    },
    rules=[
        open_row(
            "UserAddedToGroup",
            set={
                "added_at": RECORDED_AT,
                "added_by": FromContext("actor"),
                "added_position": POSITION,
                "reason": FromContext("reason"),
                "ticket": FromContext("ticket"),
            },
        ),
        close_row("UserRemovedFromGroup"),
    ],
)


def list_groups_of(view: View, user_id: str) -> list[Row]:
    """The groups that a user is in, ordered by name without regard to case."""
    return view.rows(
        """
        SELECT g.group_name AS "GroupName", m.added_at AS "AddedDate", m.added_by AS "AddedBy",
               m.added_position AS "AddedPosition"
          FROM {memberships} m JOIN {groups} g USING (group_id)
         WHERE m.user_id = %(user)s ORDER BY lower(g.group_name) COLLATE "C"
        """,
        user=user_id,
    )


def list_members(view: View, group_id: str) -> list[Row]:
    """The users in a group, ordered by name without regard to case."""
    return view.rows(
        """
        SELECT u.user_name AS "UserName", m.added_at AS "AddedDate", m.added_by AS "AddedBy",
               m.added_position AS "AddedPosition"
          FROM {memberships} m JOIN {users} u USING (user_id)
         WHERE m.group_id = %(group)s ORDER BY lower(u.user_name) COLLATE "C"
        """,
        group=group_id,
    )
