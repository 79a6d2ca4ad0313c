"""Secrets at rest: AES-256-GCM, with a data key per account that is wrapped by a master key.

The additional data binds a sealed secret to its account, credential and kind, so that rows cannot be swapped. The master key
comes from the environment or from a file that nobody else can read; it never reaches the database.
"""

from __future__ import annotations

import hmac
import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

NONCE_BYTES = 12
KEY_BYTES = 32


class MasterKeyError(Exception):
    """The master key is missing, malformed or readable by others, or it is not the one that wrapped a data key."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps the data keys of accounts."""

    key: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Names the key without telling it."""
        return sha256(b"iamledger master key id\0" + self.key).hexdigest()[:16]

    def concealed(self, personal: bytes) -> str:
        """A digest (hex) by which personal data can be told apart, but not guessed without this key."""
        return hmac.digest(self.key, b"iamledger personal\0" + personal, "sha256").hex()

    def new_data_key(self, account_id: str) -> tuple[DataKey, bytes]:
        """A new data key for an account, and its wrapped form."""
        key = os.urandom(KEY_BYTES)
        return DataKey(account_id, key), _seal(self.key, key, account_id, "data-key")

    def unwrap(self, account_id: str, master_key_id: str, wrapped: bytes) -> DataKey:
        """The data key of an account. Raises `MasterKeyError`."""
        if master_key_id != self.id:
            raise MasterKeyError(
                f"The secrets of account {account_id} were sealed under the master key {master_key_id}, but the one"
                f" configured is {self.id}. Set IAMLEDGER_MASTER_KEY or IAMLEDGER_MASTER_KEY_FILE to the former."
            )
        return DataKey(account_id, _open(self.key, wrapped, account_id, "data-key"))


@dataclass(frozen=True, slots=True)
class DataKey:
    """Seals the secrets of one account."""

    account_id: str
    key: bytes = field(repr=False)

    def seal(self, credential: str, kind: str, secret: str) -> bytes:
        """Nonce and ciphertext."""
        return _seal(self.key, secret.encode(), self.account_id, credential, kind)

    def open(self, credential: str, kind: str, sealed: bytes) -> str:
        """The secret. Raises `MasterKeyError` if it was sealed for something else, or changed."""
        return _open(self.key, sealed, self.account_id, credential, kind).decode()


def _seal(key: bytes, secret: bytes, *bound_to: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, "\0".join(bound_to).encode())


def _open(key: bytes, sealed: bytes, *bound_to: str) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], "\0".join(bound_to).encode())
    except (InvalidTag, ValueError):  # ValueError: too short for a nonce
        raise MasterKeyError(
            f"What is sealed for {' '.join(bound_to)} cannot be opened: it was changed or swapped."
        ) from None


def master_key_from_text(text: str, where: str) -> MasterKey:
    """Read 32 bytes in base64. Raises `MasterKeyError`, which does not repeat the text."""
    try:
        key = b64decode(text.strip(), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyError(f"{where} must hold 32 random bytes in base64. Make some: openssl rand -base64 32")
    return MasterKey(key)


def master_key_from_file(path: Path) -> MasterKey:
    """Read the master key from a file of mode 0600 or stricter. Raises `MasterKeyError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place must not block
        with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
                raise MasterKeyError(f"The master key file {path} can be read by others. Run: chmod 600 {path}")
            if status.st_uid not in (os.geteuid(), 0):
                raise MasterKeyError(f"The master key file {path} belongs to another user.")
            return master_key_from_text(file.read(1000), f"The master key file {path}")
    except OSError as error:
        raise MasterKeyError(f"The master key file {path} cannot be read: {error}") from None


def make_master_key_file(path: Path) -> None:
    """Write a new master key to a file of mode 0600, unless there is one; never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(os.urandom(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else made it at the same moment
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
