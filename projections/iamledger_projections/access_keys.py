"""Access keys that exist: owner, status, and what rotation made of them."""

from __future__ import annotations

from iamledger.engine.declaration import RECORDED_AT, Projection, close_row, open_row, revise_row

projection = Projection(
    name="access_keys",
    description="Access keys: owner, status, rotation",
    key=["access_key_id"],
    columns={
        "user_id": "text",
        "status": "text",
        "create_date": "timestamptz",
        "superseded_by": "text",
        "usable_until": "timestamptz",
    },
    rules=[
        open_row("AccessKeyCreated", set={"status": "Active", "create_date": RECORDED_AT}),
        revise_row("AccessKeyDeactivated", set={"status": "Inactive"}),
        revise_row("AccessKeyActivated", set={"status": "Active"}),
        revise_row("AccessKeyRotated", "superseded_by", "usable_until"),
        close_row("AccessKeyRevoked"),
    ],
)
