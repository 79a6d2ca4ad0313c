"""When, where and by which service each access key was last seen in use."""

from __future__ import annotations

from iamledger.engine.declaration import Projection, put_row

projection = Projection(
    name="access_key_uses",
    description="Access keys: last use",
    key=["access_key_id"],
    columns={"service_name": "text", "region": "text", "used_at": "timestamptz"},
    rules=[put_row("AccessKeyUsed")],
)
