"""Identifiers in AWS's forms: unique ids, access key ids that encode their account, ARNs, secrets.

Randomness comes in as bytes.
"""

from __future__ import annotations

from base64 import b32decode, b32encode, b64encode
from collections.abc import Callable

SECRET_BYTES = 30
ID_BYTES = 11


def unique_id(prefix: str, entropy: bytes) -> str:
    """A unique id of 21 characters: four of prefix (`AIDA` for a user), seventeen of base32.

    `entropy` holds at least 11 bytes, of which 85 bits are used.
    """
    return prefix + b32encode(entropy[:ID_BYTES]).decode()[:17]


def unique_id_of(prefix: str) -> Callable[[str, bytes], str]:
    """What makes new unique ids of one kind, from the account and ten random bytes or more."""
    return lambda _account_id, entropy: unique_id(prefix, entropy)


def access_key_id(account_id: str, entropy: bytes, prefix: str = "AKIA") -> str:
    """An access key id of 20 characters that encodes its account, so that a request is routed without a look-up.

    As in AWS's own ids since 2019, the sixteen characters after the prefix are base32 of ten bytes: one bit that is set,
    the account's number in 40 bits, and 39 bits that are random.
    """
    random = int.from_bytes(entropy[:5], "big") & ((1 << 39) - 1)
    return prefix + b32encode((1 << 79 | int(account_id) << 39 | random).to_bytes(10, "big")).decode()


def account_of_access_key(key_id: str) -> str | None:
    """The account that an access key id encodes, or None if it encodes none."""
    try:
        number = int.from_bytes(b32decode(key_id[4:20]), "big")
    except ValueError:
        return None
    account = number >> 39 & ((1 << 40) - 1)
    return f"{account:012}" if len(key_id) == 20 and number >> 79 and account < 10**12 else None


def account_id(entropy: bytes) -> str:
    """A new account's id: twelve digits, the first not zero. `entropy` holds at least 8 bytes."""
    return str(10**11 + int.from_bytes(entropy[:8], "big") % (9 * 10**11))


def secret_access_key(entropy: bytes) -> str:
    """A secret access key of 40 characters, from 30 random bytes."""
    return b64encode(entropy[:SECRET_BYTES]).decode()


def arn(account_id: str, kind: str, path: str, name: str) -> str:
    """`arn:aws:iam::<account>:<kind><path><name>`; the kind is `user`, `group`, `policy` and so on."""
    return f"arn:aws:iam::{account_id}:{kind}{path}{name}"
