"""Which access keys were revoked, whose they were, when, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger_projections.reports.names import last_names

if TYPE_CHECKING:
    from datetime import datetime

    from iamledger.engine.view import Row, View

READS = ("access_key_revocations", "principal_names")
COLUMNS = (
    "RevokedDate",
    "Position",
    "AccessKeyId",
    "UserName",
    "UserId",
    "RevocationReason",
    "SuspectedSince",
    "Note",
    "RevokedBy",
    "Reason",
    "Ticket",
)


def list_revocations(view: View, since: datetime | None = None, until: datetime | None = None) -> list[Row]:
    """Every revocation until the view's moment, newest first; those of a period only.

    The owner, also one who is gone, has the last name that it had until then.
    """
    names = last_names(view)
    rows = view.rows(
        """
        SELECT r.revoked_at AS "RevokedDate", r.since AS "Position", r.access_key_id AS "AccessKeyId",
               NULL AS "UserName", r.user_id AS "UserId",
               r.revocation_reason AS "RevocationReason", r.suspected_since AS "SuspectedSince", r.note AS "Note",
               r.revoked_by AS "RevokedBy", r.reason AS "Reason", r.ticket AS "Ticket"
          FROM {access_key_revocations} r
         WHERE (%(since)s::timestamptz IS NULL OR r.revoked_at >= %(since)s)
           AND (%(until)s::timestamptz IS NULL OR r.revoked_at <= %(until)s)
         ORDER BY r.since DESC
        """,
        since=since,
        until=until,
    )
    for row in rows:
        row["UserName"] = names.get(row["UserId"], row["UserId"])
    return rows
