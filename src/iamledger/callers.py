"""Who a command's caller is: the local operator, a user that it speaks for, or who has an access key and its secret.

Without a network in between there is no signature: whoever has the secret shows it to the process that reads the ledger,
which compares it with the sealed one.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from iamledger import store
from iamledger.actors import LocalOperator, Principal
from iamledger.authorization import check_key
from iamledger.iam import constraints
from iamledger.iam.access_key import AccessKey, record_access_key_use, use_as_arguments
from iamledger.iam.events import Event, from_stored
from iamledger.iam.identifiers import account_of_access_key
from iamledger.iam.nouns import Noun
from iamledger.iam.refusals import InvalidClientTokenId, NoSuchEntity, SignatureDoesNotMatch
from iamledger.iam.user import User, UserName
from iamledger.ledger import SECRET_KIND, Conflict, Ledger
from iamledger.past import Past
from iamledger.principals import REGION
from iamledger.sealing import MasterKey

ROOT = "root"
SERVICE = "iam"
"""The service that a key is used for with iamledger."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key with its secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def account_id(self) -> str:
        """The account whose key it is, which its id tells. Raises InvalidClientTokenId."""
        account_id = account_of_access_key(self.access_key_id)
        if account_id is None:
            raise InvalidClientTokenId("The security token included in the request is invalid.")
        return account_id


def spoken_for(connection: store.Connection, account_id: str, name: str, operator: LocalOperator) -> Principal:
    """The user of that name, or the account's root (`root`, or its ARN), that the operator speaks for. Raises NoSuchEntity.

    A user who is called root is named by its ARN.
    """
    root = f"arn:aws:iam::{account_id}:root"
    if name in (ROOT, root):
        return Principal(root, account_id, operator=operator)
    called = name.rpartition("/")[2] if name.startswith(f"arn:aws:iam::{account_id}:user/") else name
    constraints.EXISTING_USER_NAME.check(called)
    _, past = _read(connection, account_id, [(UserName, called)])
    user_id = past.fold(UserName, called).holder
    if user_id is not None:
        _, past = _read(connection, account_id, [(User, user_id)])
        arn = past.fold(User, user_id).resource_arn(account_id)
        if name in (called, arn):
            return Principal(arn, user_id, operator=operator)
    raise NoSuchEntity(f"The user with name {name} cannot be found.")


class Authenticated(NamedTuple):
    """Who was authenticated, and when, by the server's clock."""

    principal: Principal
    at: datetime


def authenticated(
    connection: store.Connection, credentials: Credentials, master_key: Callable[[], MasterKey]
) -> Authenticated:
    """The user whose credentials these are. Raises InvalidClientTokenId, SignatureDoesNotMatch."""
    account_id, key_id = credentials.account_id, credentials.access_key_id
    start, past = _read(connection, account_id, [(AccessKey, key_id)])
    key = past.fold(AccessKey, key_id)
    check_key(key, None, start.now)
    sealed = store.sealed_secret(connection, account_id, key_id, SECRET_KIND)
    if sealed is None:
        raise InvalidClientTokenId("The security token included in the request is invalid.")
    data_key = master_key().unwrap(account_id, *store.data_key(connection, account_id))
    secret = data_key.open(key_id, SECRET_KIND, sealed)
    if not hmac.compare_digest(secret.encode(), credentials.secret_access_key.encode("utf-8", "surrogateescape")):
        raise SignatureDoesNotMatch("The secret access key is not that of the access key. Check both.")
    user_id = key.owner()
    _, past = _read(connection, account_id, [(User, user_id)])
    arn = past.fold(User, user_id).resource_arn(account_id)
    return Authenticated(Principal(arn, user_id, access_key_id=key_id), start.now)


def note_use(ledger: Ledger, access_key_id: str, used_at: datetime) -> None:
    """Note that iamledger saw a key, as IAM does.

    What is only noted decides nothing: if it cannot be, as the ledger is locked or read-only, a later command notes it.
    """
    with suppress(Conflict, store.StoreError), store.waiting_for_locks(ledger.database.connection, "200ms"):
        ledger.observe(record_access_key_use, **use_as_arguments(access_key_id, SERVICE, REGION, used_at))


def _read(
    connection: store.Connection, account_id: str, nouns: list[tuple[type[Noun], str]]
) -> tuple[store.Boundary, Past]:
    query = [store.Match([noun.tag.of(id_)], [event.__name__ for event in noun.evolves_on]) for noun, id_ in nouns]
    start = store.read_boundary(connection, account_id, "", query)
    return start, Past(_known(start))


def _known(start: store.Boundary) -> list[tuple[int, Event]]:
    found = ((position, from_stored(type_, data)) for position, type_, data in start.events)
    return [(position, event) for position, event in found if event is not None]
