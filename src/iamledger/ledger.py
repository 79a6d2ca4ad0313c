"""The ledger of one account: runs decisions against it.

The nouns that a decision names as parameters are its consistency boundary. `Ledger.execute` reads just their events, folds
them, calls the decision, and appends what it yields on the condition that no event of the boundary has come since. On a
conflict it reads and decides again; after a lost connection it repeats with the same request id, so that
nothing happens twice.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from pydantic_core import to_jsonable_python

from iamledger import store
from iamledger.actors import Actor, Principal
from iamledger.counting import Counts
from iamledger.decisions import Bound, Command, Decision, bind
from iamledger.engine.view import count_rows
from iamledger.iam import constraints, identifiers
from iamledger.iam.events import Event, from_stored
from iamledger.iam.nouns import CountOf
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import (
    AccessDenied,
    EntityAlreadyExists,
    IdempotentParameterMismatch,
    NoSuchEntity,
    Refusal,
)
from iamledger.past import Past
from iamledger.read_models import all_projections
from iamledger.sealing import DataKey, MasterKey

if TYPE_CHECKING:
    from datetime import datetime

    from iamledger.authorization import Authorization, Demand

CONFLICT_ATTEMPTS = 12
CONNECTION_ATTEMPTS = 6
SECRET_KIND = "secret-access-key"
T = TypeVar("T")


class Conflict(Exception):
    """Others kept changing what the command depends on; nothing was done. Repeat the command."""


class ForgedRequest(store.StoreError):
    """What is recorded of a request is not what its events say: somebody has changed the ledger's tables."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who asks, from where and why; recorded with every event. A `request_id` makes the command safe to repeat."""

    actor: Actor
    reason: str | None = None
    ticket: str | None = None
    request_id: str | None = None
    source_address: str | None = None

    def __post_init__(self) -> None:
        for constraint, value in (
            (constraints.REASON, self.reason),
            (constraints.TICKET, self.ticket),
            (constraints.REQUEST_ID, self.request_id),
        ):
            if value is not None:
                constraint.check(value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command.

    `first` and `last` are positions, None if nothing was appended. `secrets` holds what was issued, by credential; it
    is empty for a repeat, since a secret is shown once.
    """

    events: Sequence[Event]
    first: int | None = None
    last: int | None = None
    repeated: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass
class _Attempt:
    """What stays the same when commands are tried again: request id, new ids, new secrets."""

    request: store.Request
    commands: Sequence[Bound]
    permitted: bool
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def secret(self, credential: str) -> str:
        if credential not in self.secrets:
            self.secrets[credential] = identifiers.secret_access_key(os.urandom(identifiers.SECRET_BYTES))
        return self.secrets[credential]


class Ledger:
    """One account's ledger, spoken to as `circumstances` tell."""

    def __init__(
        self,
        database: store.Database,
        account_id: str,
        circumstances: Circumstances,
        *,
        master_key: Callable[[], MasterKey],
        quotas: Quotas | None = None,
    ) -> None:
        self.database = database
        self.account_id = constraints.ACCOUNT_ID.check(account_id)
        self.circumstances = circumstances
        self.quotas = quotas or Quotas()
        self._master_key = master_key
        self._data_key: DataKey | None = None

    def execute(
        self,
        decision: Decision,
        *,
        dry_run: bool = False,
        assumed: Collection[str] = (),
        asked: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> Outcome:
        """Decide and append.

        `arguments` are the decision's parameters. For a noun it is what the noun is called by: a user's name, a key's id.
        Nouns left out take the argument of one with the same tag; new ids, counts, quotas and the time are supplied.
        Those named in `assumed` nobody asked for, so they do not make a repeat a different command; for one that was looked
        up, `asked` has what the caller wrote. With `dry_run` nothing is appended.

        Raises a `Refusal`, `Conflict` when a conflict outlasts the retries, or a `StoreError`.
        """
        return self.execute_all([Command(decision, arguments, assumed, asked or {})], dry_run=dry_run)

    def execute_all(
        self,
        commands: Sequence[Command],
        *,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Outcome:
        """Decide several commands, each seeing what those before it yield, and append all of it at once, or nothing.

        Raises as `execute` does; a refusal is of the first command that was refused, whose number it has as `command`.
        """
        return self._execute(commands, dry_run, progress)

    def observe(self, decision: Decision, **arguments: Any) -> Outcome:
        """As `execute`, for what the ledger itself saw the caller do: that takes no permission, and is tried once."""
        return self._execute([Command(decision, arguments)], permitted=True)

    def _execute(
        self,
        commands: Sequence[Command],
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _done: None,
        *,
        permitted: bool = False,
    ) -> Outcome:
        if not commands:
            return Outcome([])  # a query without items would find every event
        bound = []
        for number, command in enumerate(commands):
            with _refused(number):
                bound.append(bind(command.decision, self.account_id, command.arguments))
        request_id = self.circumstances.request_id or str(uuid4())
        known = not dry_run or self.circumstances.request_id is not None  # a dry run needs no key for what is personal
        request = store.Request(request_id, self._fingerprint(bound, commands) if known else "")
        attempt = _Attempt(request, bound, permitted)
        with self._recorded(dry_run):
            most = 1 if permitted else CONFLICT_ATTEMPTS
            return self._insist(lambda: self._once(attempt, dry_run, progress), most)

    def permit(self, demands: Sequence[Demand], *, dry_run: bool = False) -> None:
        """Raise AccessDenied, and record the attempt, unless the caller may do all of it. The operator and the root may."""
        actor = self.circumstances.actor
        if isinstance(actor, Principal):
            actor.check_account(self.account_id)
            if demands and not actor.is_root:
                with self._recorded(dry_run):
                    self._insist(lambda: self._permit(demands))

    @contextmanager
    def _recorded(self, dry_run: bool = False) -> Iterator[None]:
        """What is denied here is recorded. It is no request of its own: repeated, it is decided again."""
        try:
            yield
        except AccessDenied as denied:
            if not dry_run:
                self.record(denied)
            raise

    def record(self, denied: AccessDenied) -> None:
        """Append the attempt, which is no request of anybody's. If that cannot be done, the refusal says so."""
        attempt = denied.attempt
        if attempt is None:
            return
        request = store.Request(str(uuid4()), sha256(b"").hexdigest())
        try:
            self._insist(lambda: self._record(attempt, request))
        except (Conflict, store.StoreError) as failed:
            denied.advice = f"This attempt could not be recorded: {failed}"

    def _record(self, event: Event, request: store.Request) -> None:
        context = self._context(request.id)
        with suppress(store.RequestRecorded):  # the answer to the first try was lost
            store.append(self.database.connection, self.account_id, [_stored(event)], context=context, request=request)

    def _permit(self, demands: Sequence[Demand]) -> None:
        past = Past()
        query = past.ask(self._caller_query())
        start = store.read_boundary(self.database.connection, self.account_id, "", query)
        if start.head is None:
            raise NoSuchEntity(f"The account with id {self.account_id} cannot be found.")
        past.learn(_typed(start.events))
        authorization = self._authorization(past, start.head, start.now)
        assert authorization is not None
        for demand in demands:
            authorization.demand(demand)

    def _caller_query(self) -> Sequence[store.Match]:
        if not isinstance(self.circumstances.actor, Principal):
            return ()
        from iamledger.authorization import caller_query

        return caller_query(self.circumstances.actor)

    def _authorization(self, past: Past, head: int, now: datetime) -> Authorization | None:
        """What decides whether the caller may. The local operator is asked nothing, so nothing is imported for it."""
        if not isinstance(self.circumstances.actor, Principal):
            return None
        from iamledger.authorization import Authorization

        return Authorization(
            self.circumstances.actor,
            self.account_id,
            past,
            lambda query: self._look(past, head, query, ()),
            now=now,
            source_address=self.circumstances.source_address,
        )

    def _insist(self, once: Callable[[], T], most: int = CONFLICT_ATTEMPTS) -> T:
        conflicts = losses = 0
        while True:
            try:
                return once()
            except (store.ConditionFailed, store.RequestRecorded) as conflict:
                conflicts += 1
                if conflicts >= most:
                    raise Conflict(
                        "Others kept changing what this command depends on; nothing was done. Repeat it."
                    ) from conflict
                time.sleep(random.uniform(0, 0.002 * 2 ** min(conflicts, 8)))  # noqa: S311 - not for secrets
            except store.Locked as held:
                conflicts += 4
                if conflicts >= most:
                    raise Conflict(
                        f"Somebody holds a lock on the ledger of account {self.account_id} ({held}); nothing was done."
                        " Repeat the command, or end the session that holds it."
                    ) from held
            except store.Unreachable:
                losses += 1
                if losses == min(CONNECTION_ATTEMPTS, most):
                    raise
                self.database.close()
                time.sleep(0.1 * 2**losses)

    def _once(self, attempt: _Attempt, dry_run: bool, progress: Callable[[int], None]) -> Outcome:
        connection, request = self.database.connection, attempt.request
        past = Past()
        firsts = [match for bound in attempt.commands for match in bound.first_query()]
        query = past.ask([*firsts, *(() if attempt.permitted else self._caller_query())])
        start = store.read_boundary(connection, self.account_id, request.id, query)
        if start.earlier is not None:
            return self._repeated(start.earlier, attempt)
        past.learn(_typed(start.events))
        head = start.head or 0
        new = frozenset(id_ for bound in attempt.commands for id_ in bound.ids.values())
        self._look(past, head, _needed(attempt.commands, past), new)
        authorization = None if attempt.permitted else self._authorization(past, head, start.now)
        count = Counts(self._count)
        events: list[Event] = []
        for done, bound in enumerate(attempt.commands):
            with _refused(done):
                if authorization is not None:
                    authorization.check(bound)
                bound.resolve_names(past)
                self._look(past, head, bound.second_query(), new)
                decided = bound.decide(past, now=start.now, quotas=self.quotas, count=count)
            past.learn(enumerate(decided, head + len(events) + 1))
            count.learn(decided)
            if authorization is not None:
                authorization.learned(decided)
            events += decided
            progress(done)
        opens = bool(events) and events[0].opens_ledger
        if start.head is None and not opens:
            raise NoSuchEntity(f"The account with id {self.account_id} cannot be found.")
        if dry_run or not events:
            return Outcome(events)
        try:
            appended = store.append(
                connection,
                self.account_id,
                [_stored(event) for event in events],
                context=self._context(request.id),
                request=request,
                condition=store.Condition(past.boundary(), head),
                opens=opens,
                secrets=self._secret_changes(events, attempt, opens),
            )
        except store.LedgerExists as error:
            raise EntityAlreadyExists(f"Account {self.account_id} already exists.") from error
        return Outcome(events, appended.first, appended.last, secrets=attempt.secrets)

    def _look(self, past: Past, head: int, query: Sequence[store.Match], new: Collection[str]) -> None:
        """Read what is not known yet. What has come since is left out: a decision looks at one moment, also to refuse.

        Of ids that these commands make nothing is recorded: to ask for each would be a round trip for each new user.
        """
        unknown = [match for match in past.ask(query) if match.tags[0].partition(":")[2] not in new]
        if unknown:
            found = store.read_boundary(self.database.connection, self.account_id, "", unknown).events
            past.learn(_typed([event for event in found if event[0] <= head]))

    def _repeated(self, earlier: store.Earlier, attempt: _Attempt) -> Outcome:
        """The outcome of the first time. A secret is told again only to the very process that lost the first answer."""
        if earlier.fingerprint != attempt.request.fingerprint:
            raise IdempotentParameterMismatch(
                f"The request id {attempt.request.id} was used before, for a different command"
                f" (positions {earlier.first} to {earlier.last}). Use another one."
            )
        recorded = store.read(self.database.connection, self.account_id, after=earlier.first - 1, upto=earlier.last)
        if not recorded or any(_request_id(event) != attempt.request.id for event in recorded):
            raise ForgedRequest(
                f"The request id {attempt.request.id} is recorded for positions {earlier.first} to {earlier.last}, whose"
                " events are not of this request; nothing was done. See: iamledger audit replay --verify"
            )
        events = [e for e in (from_stored(r.type, r.data) for r in recorded) if e is not None]
        ours = {getattr(event, event.issues_secret): True for event in events if event.issues_secret}
        secrets = {credential: secret for credential, secret in attempt.secrets.items() if credential in ours}
        return Outcome(events, earlier.first, earlier.last, repeated=not secrets, secrets=secrets)

    def _fingerprint(self, bound: Sequence[Bound], commands: Sequence[Command]) -> str:
        """What makes two requests the same. It is kept for ever, so personal data goes in only as no one can guess it."""
        decisions = [
            {"decision": command.decision.__name__, "wishes": {**self._wishes(one, command.assumed), **command.asked}}
            for one, command in zip(bound, commands, strict=True)
        ]
        asked = {"decisions": decisions, "actor": self.circumstances.actor.identity()}
        return sha256(store.canonical(asked)).hexdigest()

    def _wishes(self, bound: Bound, without: Collection[str]) -> Any:
        wishes = to_jsonable_python({name: value for name, value in bound.given().items() if name not in without})
        for name in bound.personal():
            wishes[name] = self._master_key().concealed(store.canonical(wishes[name]))
        return wishes

    def _context(self, request_id: str) -> store.Context:
        entries = {
            "actor": self.circumstances.actor.told(),
            "request_id": request_id,
            "reason": self.circumstances.reason,
            "ticket": self.circumstances.ticket,
            "source_address": self.circumstances.source_address,
        }
        return store.Context({k: v for k, v in entries.items() if v is not None}, personal=("source_address",))

    def _count(self, wanted: CountOf) -> int:
        try:
            return count_rows(
                self.database.connection, self.account_id, all_projections()[wanted.projection], wanted.where
            )
        except store.NoLedger:
            return 0

    def _secret_changes(self, events: Sequence[Event], attempt: _Attempt, opens: bool) -> store.SecretChanges | None:
        credentials = [str(getattr(event, event.issues_secret)) for event in events if event.issues_secret]
        deleted = [str(getattr(event, event.deletes_secrets)) for event in events if event.deletes_secrets]
        wrapped = key = None
        if opens:
            master_key = self._master_key()
            key, sealed = master_key.new_data_key(self.account_id)  # for this append: it may not be what gets stored
            wrapped = (master_key.id, sealed)
        if not (credentials or deleted or wrapped):
            return None
        put = [
            store.SealedSecret(c, SECRET_KIND, (key or self._key()).seal(c, SECRET_KIND, attempt.secret(c)))
            for c in credentials
        ]
        return store.SecretChanges(put, deleted, wrapped)

    def _key(self) -> DataKey:
        if self._data_key is None:
            master_key_id, wrapped = store.data_key(self.database.connection, self.account_id)
            self._data_key = self._master_key().unwrap(self.account_id, master_key_id, wrapped)
        return self._data_key


def _request_id(event: store.RecordedEvent) -> Any:
    return event.context.get("request_id") if isinstance(event.context, dict) else None


@contextmanager
def _refused(number: int) -> Iterator[None]:
    """What is refused here is the command of that number."""
    try:
        yield
    except Refusal as refusal:
        refusal.command = number
        raise


def _needed(commands: Sequence[Bound], past: Past) -> list[store.Match]:
    """What commands look at behind the names, as far as these are known before any of them was decided."""
    needed: list[store.Match] = []
    for bound in commands:
        with suppress(NoSuchEntity):  # it may be created by a command before; if not, it is refused in its turn
            bound.resolve_names(past)
            needed += bound.second_query()
    return needed


def _typed(events: Sequence[tuple[int, str, Any]]) -> Iterator[tuple[int, Event]]:
    for position, type_, data in events:
        event = from_stored(type_, data)
        if event is not None:
            yield position, event


def _stored(event: Event) -> store.NewEvent:
    return store.NewEvent(
        type(event).__name__,
        event.model_dump(mode="json"),
        event.ledger_tags(),
        personal=event.personal_fields(),
    )
