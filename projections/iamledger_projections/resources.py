"""Resources by ARN: who created each, and who is responsible for it. Both are kept by id, also when the users are gone."""

from __future__ import annotations

from iamledger.engine.declaration import (
    POSITION,
    RECORDED_AT,
    Field,
    FromContext,
    Projection,
    close_row,
    open_row,
    revise_row,
)

projection = Projection(
    name="resources",
    description="Resources: creator, who is responsible",
    key=["resource_arn"],
    columns={
        "creator_id": "text",
        "responsible_id": "text",
        "registered_at": "timestamptz",
        "registered_by": "jsonb",
        "registered_position": "bigint",
    },
    rules=[
        open_row(
            "ResourceRegistered",
            set={
                "responsible_id": Field("creator_id"),
                "registered_at": RECORDED_AT,
                "registered_by": FromContext("actor"),
                "registered_position": POSITION,
            },
        ),
        revise_row("ResourceTransferred", "responsible_id"),
        close_row("ResourceDeregistered"),
    ],
)
