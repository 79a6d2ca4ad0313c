"""Groups as they are: name, path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import RECORDED_AT, Projection, close_row, open_row, revise_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="groups",
    description="Groups: name, path",
    key=["group_id"],
    columns={"group_name": "text", "path": "text", "create_date": "timestamptz"},
    rules=[
        open_row("GroupCreated", set={"create_date": RECORDED_AT}),
        revise_row("GroupRenamed", "group_name"),
        revise_row("GroupPathChanged", "path"),
        close_row("GroupDeleted"),
    ],
)

_COLUMNS = """
    g.path AS "Path", g.group_name AS "GroupName", g.group_id AS "GroupId",
    'arn:aws:iam::' || g.account_id || ':group' || g.path || g.group_name AS "Arn", g.create_date AS "CreateDate"
"""


def list_groups(view: View, path_prefix: str = "/") -> list[Row]:
    """Groups whose path begins so, ordered by name without regard to case, with how many members each has."""
    return view.rows(
        f"""
        SELECT {_COLUMNS}, coalesce(m.members, 0) AS "Members", coalesce(p.attached, 0) AS "AttachedPolicies"
          FROM {{groups}} g
          LEFT JOIN (SELECT group_id, count(*) AS members FROM {{memberships}} GROUP BY 1) AS m USING (group_id)
          LEFT JOIN (SELECT principal_id, count(*) AS attached FROM {{attached_policies}} GROUP BY 1) AS p
            ON p.principal_id = g.group_id
         WHERE starts_with(g.path, %(prefix)s) ORDER BY lower(g.group_name) COLLATE "C"
        """,
        prefix=path_prefix,
    )


def get_group(view: View, group_name: str) -> Row:
    """The group of that name, or else of that unique id. Raises NoSuchEntity."""
    rows = view.rows(
        f"SELECT {_COLUMNS} FROM {{groups}} g WHERE lower(g.group_name) = lower(%(name)s) OR g.group_id = %(name)s"
        " ORDER BY g.group_id = %(name)s LIMIT 1",
        name=group_name,
    )
    if not rows:
        raise NoSuchEntity(f"The group with name {group_name} cannot be found.")
    return rows[0]
