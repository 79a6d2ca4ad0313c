"""Each joining and leaving of a group: whose, when, by whom and why. A row for each event; its rows stay."""

from __future__ import annotations

from iamledger.engine.declaration import POSITION, RECORDED_AT, FromContext, Projection, open_row

projection = Projection(
    name="membership_changes",
    description="Users that joined and left groups",
    key=["position"],
    columns={
        "user_id": "text",
        "group_id": "text",
        "change": "text",
        "changed_at": "timestamptz",
        "changed_by": "jsonb",
        "reason": "text",
        "ticket": "text",
    },
    rules=[
        open_row(
            event,
            key={"position": POSITION},
            set={
                "change": change,
                "changed_at": RECORDED_AT,
                "changed_by": FromContext("actor"),
                "reason": FromContext("reason"),
                "ticket": FromContext("ticket"),
            },
        )
        for event, change in (("UserAddedToGroup", "Joined"), ("UserRemovedFromGroup", "Left"))
    ],
)
