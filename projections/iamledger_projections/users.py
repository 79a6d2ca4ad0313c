"""Users as they are: name, path, tags."""

from __future__ import annotations

from iamledger.engine.declaration import RECORDED_AT, Projection, close_row, open_row, revise_row

projection = Projection(
    name="users",
    description="Users: name, path, tags",
    key=["user_id"],
    columns={"user_name": "text", "path": "text", "tags": "jsonb", "create_date": "timestamptz"},
    rules=[
        open_row("UserCreated", set={"create_date": RECORDED_AT}),
        revise_row("UserRenamed", "user_name"),
        revise_row("UserPathChanged", "path"),
        revise_row("UserTagged", "tags"),
        revise_row("UserUntagged", "tags"),
        close_row("UserDeleted"),
    ],
)
