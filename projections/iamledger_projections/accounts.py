"""Accounts: one row in each ledger."""

from __future__ import annotations

from iamledger.engine.declaration import RECORDED_AT, Projection, open_row

projection = Projection(
    name="accounts",
    description="The account itself: name and root e-mail",
    key=["account"],
    columns={"account_name": "text", "email": "text", "create_date": "timestamptz"},
    rules=[
        open_row("AccountCreated", key={"account": "account_id"}, set={"create_date": RECORDED_AT}),
    ],
)
