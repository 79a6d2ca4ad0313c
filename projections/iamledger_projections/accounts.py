"""Accounts: one row in each ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.engine.declaration import RECORDED_AT, Projection, open_row
from iamledger.iam.refusals import NoSuchEntity

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

projection = Projection(
    name="accounts",
    description="The account itself: name and root e-mail",
    key=["account"],
    columns={"account_name": "text", "email": "text", "create_date": "timestamptz"},
    personal=["email"],
    rules=[
        open_row("AccountCreated", key={"account": "account_id"}, set={"create_date": RECORDED_AT}),
    ],
)


def get_account(view: View) -> Row:
    """The account of the view, with how much it has. Raises NoSuchEntity for a ledger that is not an account's."""
    rows = view.rows(
        """
        SELECT a.account AS "AccountId", a.account_name AS "AccountName", a.email AS "Email",
               a.create_date AS "CreateDate", (SELECT count(*) FROM {users} u) AS "Users",
               (SELECT count(*) FROM {access_keys} k) AS "AccessKeys"
          FROM {accounts} a
        """
    )
    if not rows:
        raise NoSuchEntity(f"The ledger {view.account_id} was not opened by creating an account.")
    return rows[0]
