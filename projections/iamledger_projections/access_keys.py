"""Access keys that exist: owner, status, and what rotation made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import RECORDED_AT, Projection, close_row, open_row, revise_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

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

_SELECT = """
    SELECT u.user_name AS "UserName", k.access_key_id AS "AccessKeyId",
           CASE WHEN k.usable_until <= %(time)s THEN 'Expired' ELSE k.status END AS "Status",
           k.create_date AS "CreateDate", extract(day FROM %(time)s - k.create_date)::integer AS "AgeDays",
           l.used_at AS "LastUsedDate", l.service_name AS "ServiceName", l.region AS "Region",
           k.superseded_by AS "SupersededBy", k.usable_until AS "UsableUntil",
           coalesce(k.usable_until <= %(time)s, false) AS "Due"
      FROM {access_keys} k
      JOIN {users} u USING (user_id)
      LEFT JOIN {access_key_uses} l USING (access_key_id)
"""


def list_access_keys(view: View, user_name: str | None = None) -> list[Row]:
    """The keys of a user, or of all, oldest first.

    A superseded key whose grace has ended is Expired, and due to be revoked.
    """
    return view.rows(
        _SELECT
        + """
     WHERE %(name)s::text IS NULL OR lower(u.user_name) = lower(%(name)s)
     ORDER BY lower(u.user_name) COLLATE "C", k.create_date, k.access_key_id COLLATE "C"
        """,
        name=user_name,
    )


def get_access_key(view: View, access_key_id: str) -> Row:
    """One key. Raises NoSuchEntity."""
    rows = view.rows(_SELECT + " WHERE k.access_key_id = %(key)s", key=access_key_id)
    if not rows:
        raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")
    return rows[0]
