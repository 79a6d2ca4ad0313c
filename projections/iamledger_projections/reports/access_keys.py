"""Access keys by age and use: which are older than they may be, which nobody uses, which are due to be revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger_projections.reports.names import last_names

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

READS = ("access_keys", "access_key_uses", "principal_names")
COLUMNS = (
    "UserName",
    "UserId",
    "AccessKeyId",
    "Status",
    "CreateDate",
    "AgeDays",
    "LastUsedDate",
    "IdleDays",
    "ServiceName",
    "Region",
    "SupersededBy",
    "UsableUntil",
    "Due",
)


def review_access_keys(
    view: View, older_than: int | None = None, unused_for: int | None = None, due: bool = False
) -> list[Row]:
    """Every key, the oldest first; only those created, or last used, so many days ago or more; only those that are due.

    A key that was never used counts as unused since its creation. A superseded key whose grace has ended is Expired, and due
    to be revoked. `IdleDays` are the days since the last use. The owner has its last name even if it should be gone.
    """
    names = last_names(view)
    rows = view.rows(
        """
        SELECT * FROM (
            SELECT NULL AS "UserName", k.user_id AS "UserId", k.access_key_id AS "AccessKeyId",
                   CASE WHEN k.usable_until <= %(time)s THEN 'Expired' ELSE k.status END AS "Status",
                   k.create_date AS "CreateDate", extract(day FROM %(time)s - k.create_date)::integer AS "AgeDays",
                   l.used_at AS "LastUsedDate",
                   extract(day FROM %(time)s - coalesce(l.used_at, k.create_date))::integer AS "IdleDays",
                   l.service_name AS "ServiceName", l.region AS "Region",
                   k.superseded_by AS "SupersededBy", k.usable_until AS "UsableUntil",
                   coalesce(k.usable_until <= %(time)s, false) AS "Due"
              FROM {access_keys} k
              LEFT JOIN {access_key_uses} l USING (access_key_id)) AS told
         WHERE (%(older)s::integer IS NULL OR "AgeDays" >= %(older)s)
           AND (%(unused)s::integer IS NULL OR "IdleDays" >= %(unused)s)
           AND ("Due" OR NOT %(due)s)
         ORDER BY "CreateDate", "AccessKeyId" COLLATE "C"
        """,
        older=older_than,
        unused=unused_for,
        due=due,
    )
    for row in rows:
        row["UserName"] = names.get(row["UserId"], row["UserId"])
    return rows
