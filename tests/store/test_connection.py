"""Connecting: a URL that is malformed tells nothing of the password in it."""

from __future__ import annotations

import traceback

import pytest

from iamledger.store import Unreachable, connect


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:s3cr%tpw@127.0.0.1/x",
        "postgresql://app:s3cr tpw@127.0.0.1/x",
        "postgresql://app:s3cr@tpw@127.0.0.1:1/x",
        "postgresql://app:s3cr/tpw@127.0.0.1:1/x",
        "postgresql://app:s3cr%00tpw@127.0.0.1:1/x",
        "postgresql://app:1@s3cr@127.0.0.1,tpw@127.0.0.1:1/x",
        "postgresql://app@127.0.0.1:s3cr/x",
        "postgresql://app@127.0.0.1/x?password=s3cr&tpw",
        "host=127.0.0.1 port=1 password=s3cr tpw",
        "host=127.0.0.1 port=1 password='s3cr tpw",
        "host=127.0.0.1 port=1 pasword=s3cr s3cr=tpw",
        "s3cr tpw",
    ],
)
def test_nothing_of_a_malformed_url_is_told(url: str) -> None:
    with pytest.raises(Unreachable) as refused:
        connect(url)
    assert str(refused.value) == "the database URL is malformed: percent-encode the password, or use a passfile"
    assert refused.value.__cause__ is refused.value.__context__ is None
    told = "".join(traceback.format_exception_only(refused.value))
    assert "s3cr" not in told
    assert "tpw" not in told


@pytest.mark.parametrize(
    "url", ["postgresql://app:s3cr%40tpw@127.0.0.1:1/x", "host=127.0.0.1,/nowhere port=1,2 user=a"]
)
def test_what_is_well_formed_is_tried(url: str) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1.*port 1"):
        connect(url)
