"""Who joined and left which group, when, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger_projections.reports.names import last_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from iamledger.engine.view import Row, View

READS = ("membership_changes", "principal_names")
COLUMNS = (
    "Date",
    "Position",
    "Change",
    "UserName",
    "UserId",
    "GroupName",
    "GroupId",
    "By",
    "Reason",
    "Ticket",
)


def membership_changes(
    view: View,
    user_ids: Sequence[str] | None = None,
    group_ids: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row]:
    """Each joining and leaving, newest first; of some users and groups only, within a period.

    Users and groups, also those that are gone, have the last name that they had until the view's moment.
    """
    names = last_names(view)
    rows = view.rows(
        """
        SELECT m.changed_at AS "Date", m.since AS "Position", m.change AS "Change",
               NULL AS "UserName", m.user_id AS "UserId", NULL AS "GroupName", m.group_id AS "GroupId",
               m.changed_by AS "By", m.reason AS "Reason", m.ticket AS "Ticket"
          FROM {membership_changes} m
         WHERE (%(users)s::text[] IS NULL OR m.user_id = ANY(%(users)s))
           AND (%(groups)s::text[] IS NULL OR m.group_id = ANY(%(groups)s))
           AND (%(since)s::timestamptz IS NULL OR m.changed_at >= %(since)s)
           AND (%(until)s::timestamptz IS NULL OR m.changed_at <= %(until)s)
         ORDER BY m.since DESC
        """,
        users=None if user_ids is None else list(user_ids),
        groups=None if group_ids is None else list(group_ids),
        since=since,
        until=until,
    )
    for row in rows:
        row["UserName"] = names.get(row["UserId"], row["UserId"])
        row["GroupName"] = names.get(row["GroupId"], row["GroupId"])
    return rows
