"""The history of revocations: which key of whom, when, by whom and why. Its rows stay."""

from __future__ import annotations

from iamledger.engine.declaration import RECORDED_AT, FromContext, Projection, open_row

projection = Projection(
    name="access_key_revocations",
    description="Access keys that were revoked, and why",
    key=["access_key_id"],
    columns={
        "user_id": "text",
        "revocation_reason": "text",
        "note": "text",
        "suspected_since": "timestamptz",
        "revoked_at": "timestamptz",
        "revoked_by": "jsonb",
        "reason": "text",
        "ticket": "text",
    },
    rules=[
        open_row(
            "AccessKeyRevoked",
            set={
                "revoked_at": RECORDED_AT,
                "revoked_by": FromContext("actor"),
                "reason": FromContext("reason"),
                "ticket": FromContext("ticket"),
            },
        ),
    ],
)
