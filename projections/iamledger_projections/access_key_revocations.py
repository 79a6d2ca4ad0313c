"""The history of revocations: which key of whom, when, by whom and why. Its rows stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import RECORDED_AT, FromContext, Projection, open_row

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

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


def list_revocations(view: View) -> list[Row]:
    """Every revocation until the view's moment, newest first. A user who is gone is told by its id."""
    return view.rows(
        """
        SELECT r.revoked_at AS "RevokedDate", r.access_key_id AS "AccessKeyId",
               coalesce(u.user_name, r.user_id) AS "UserName",
               r.revocation_reason AS "RevocationReason", r.suspected_since AS "SuspectedSince", r.note AS "Note",
               r.revoked_by AS "RevokedBy", r.reason AS "Reason", r.ticket AS "Ticket"
          FROM {access_key_revocations} r
          LEFT JOIN {users} u USING (user_id)
         ORDER BY r.revoked_at DESC
        """
    )
