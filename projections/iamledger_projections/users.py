"""Users as they are: name, path, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import RECORDED_AT, Projection, close_row, open_row, revise_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="users",
    description="Users: name, path, tags",
    key=["user_id"],
    columns={"user_name": "text", "path": "text", "tags": "jsonb", "create_date": "timestamptz"},
    personal=["tags"],
    rules=[
        open_row("UserCreated", set={"create_date": RECORDED_AT}),
        revise_row("UserRenamed", "user_name"),
        revise_row("UserPathChanged", "path"),
        revise_row("UserTagged", "tags"),
        revise_row("UserUntagged", "tags"),
        close_row("UserDeleted"),
    ],
)

_COLUMNS = """
    u.path AS "Path", u.user_name AS "UserName", u.user_id AS "UserId",
    'arn:aws:iam::' || u.account_id || ':user' || u.path || u.user_name AS "Arn",
    u.create_date AS "CreateDate", coalesce((SELECT jsonb_agg(jsonb_build_object('Key', tag->0, 'Value', tag->1))
                FROM jsonb_array_elements(u.tags) AS tag), '[]') AS "Tags"
"""


def list_users(view: View, path_prefix: str = "/") -> list[Row]:
    """Users whose path begins so, ordered by name without regard to case."""
    return view.rows(
        f'SELECT {_COLUMNS} FROM {{users}} u WHERE starts_with(u.path, %(prefix)s) ORDER BY lower(u.user_name) COLLATE "C"',
        prefix=path_prefix,
    )


def get_user(view: View, user_name: str) -> Row:
    """The user of that name, or else of that unique id. Raises NoSuchEntity."""
    rows = view.rows(
        f"SELECT {_COLUMNS} FROM {{users}} u WHERE lower(u.user_name) = lower(%(name)s) OR u.user_id = %(name)s"
        " ORDER BY u.user_id = %(name)s LIMIT 1",
        name=user_name,
    )
    if not rows:
        raise NoSuchEntity(f"The user with name {user_name} cannot be found.")
    return rows[0]
