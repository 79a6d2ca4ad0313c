"""What commands share: the options of all that read and of all that write, and the ledger behind them.

`@reading()` and `@writing()` add the options to a command and give it, as its first argument, the session that they make.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from iamledger.cli.completing import USER
from iamledger.cli.output import (
    Output,
    Row,
    cell,
    instant,
    note,
    print_csv,
    print_filled,
    print_json,
    print_record,
    print_table,
    say,
)
from iamledger.cli.permits import (
    LOCAL,
    OPERATOR,
    READS,
    Found,
    Permit,
    demands,
    elsewhere,
    found_in,
    named_so,
    not_the_operator,
)

if TYPE_CHECKING:
    from iamledger.actors import Actor
    from iamledger.callers import Credentials
    from iamledger.decisions import Command
    from iamledger.engine.view import View
    from iamledger.iam.refusals import AccessDenied, NoSuchEntity
    from iamledger.ledger import Ledger, Outcome
    from iamledger.settings import Settings
    from iamledger.store import Database

AccountOption = Annotated[
    str | None, typer.Option("--account", help="Account, by number or name.", show_default="the default account")
]
AsOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="USER",
        help="Act as this user, or as root, with its permissions. Recorded with your own name.",
        show_default="you, the local operator",
        autocompletion=USER,
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Output format.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="POSITION|TIME", help="Answer as of a position, a time, or the end of a date (UTC)."
    ),
]
StaleOption = Annotated[bool, typer.Option("--stale", help="Read a projection that has stopped, as it stands.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why; recorded with the events.")]
TicketOption = Annotated[str | None, typer.Option("--ticket", help="The ticket behind it; recorded with the events.")]
RequestOption = Annotated[
    str | None, typer.Option("--request-id", help="Makes the command safe to repeat.", show_default="a new one")
]
IfNotExistsOption = Annotated[
    bool, typer.Option("--if-not-exists", help="Change nothing, and succeed, if it exists already.")
]
DiffOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--diff", metavar="FROM TO", help="Show what differs between two moments: positions, times, dates (UTC)."
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        max=64,
        help="How many processes verify a large ledger.",
        show_default="one for each processor, at most 4",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the events that would be appended, append none.")]


class Session:
    """The database, and the account that a command is about."""

    purpose: Mapping[str, str | None] = {}
    """Reason, ticket and request id, if there are any."""
    dry_run = False
    """Is nothing to be appended, whatever is attempted?"""
    operation = ""
    """The command that runs: `projection_rebuild`."""

    def __init__(self, account: str | None, output: Output, as_user: str | None = None) -> None:
        self.output = output
        self._account = account
        self._caller = as_user

    @cached_property
    def settings(self) -> Settings:
        """From the environment."""
        from iamledger.settings import settings

        return settings()

    @cached_property
    def database(self) -> Database:
        """Opened when first used; the embedded server is started if need be."""
        from iamledger.opening import open_database

        return open_database(self.settings)

    @cached_property
    def account_id(self) -> str:
        """The account that was asked for, or the default one; for who has credentials, the account that they are of."""
        from iamledger.accounts import account_name, chosen_account

        connection, credentials = self.database.connection, self._credentials
        if credentials is None:
            return chosen_account(connection, self.settings, self._account)
        own = credentials.account_id
        if self._account not in (None, own) and self._account != account_name(connection, own):
            raise self.attempted(elsewhere())
        return own

    @cached_property
    def account_name(self) -> str | None:
        """The name of that account."""
        from iamledger.accounts import account_name

        return account_name(self.database.connection, self.account_id)

    @property
    def as_operator(self) -> bool:
        """Is the local operator the caller? It may do all; others are asked for what they are permitted."""
        return self._caller is None and self.settings.access_key_id is None

    @cached_property
    def actor(self) -> Actor:
        """The caller. Raises NoSuchEntity, InvalidClientTokenId, SignatureDoesNotMatch."""
        from iamledger.actors import local_operator
        from iamledger.opening import master_key

        connection = self.database.connection
        if self.as_operator:
            return local_operator(connection)
        from iamledger.callers import authenticated, note_use, spoken_for

        if self._credentials is not None:
            caller, now = authenticated(connection, self._credentials, lambda: master_key(self.settings))
            if not self.dry_run:
                note_use(self._ledger(caller.account_id, caller, {}), self._credentials.access_key_id, now)
            return caller
        return spoken_for(connection, self.account_id, str(self._caller), local_operator(connection))

    def ledger(self, account_id: str) -> Ledger:
        """The ledger of an account, spoken to by the caller. Raises AccessDenied for one that is not the caller's."""
        if not self.as_operator and account_id != self.account_id:
            raise self.attempted(elsewhere())
        return self._ledger(account_id, self.actor, self.purpose)

    def _ledger(self, account_id: str, actor: Actor, purpose: Mapping[str, str | None]) -> Ledger:
        from iamledger.ledger import Circumstances, Ledger
        from iamledger.opening import master_key
        from iamledger.settings import quotas

        return Ledger(
            self.database,
            account_id,
            Circumstances(actor, **purpose),
            master_key=lambda: master_key(self.settings),
            quotas=quotas(),
        )

    def authorize(self, permits: tuple[Permit, ...], arguments: Mapping[str, Any]) -> None:
        """Raise AccessDenied unless the caller is permitted what the command reads."""
        if self.as_operator:
            return
        if OPERATOR in permits:
            raise self.attempted(not_the_operator())
        wanted = list(demands(permits, self.account_id, arguments, self.find))
        if wanted:
            self.ledger(self.account_id).permit(wanted, dry_run=self.dry_run)

    def attempted(self, denied: AccessDenied) -> AccessDenied:
        """A refusal of what no policy could allow, with the attempt on record in the caller's own account."""
        from iamledger.actors import Principal
        from iamledger.iam.denial import beyond_policies

        caller = self.actor
        if isinstance(caller, Principal) and not self.dry_run:
            denied.attempt = beyond_policies(caller.unique_id, self.operation)
            self._ledger(caller.account_id, caller, self.purpose).record(denied)
        return denied

    def find(self, kind: str, called: str) -> list[Found]:
        """What is called so, at each moment that the command is about."""
        raise TypeError(f"this command looks at no {kind}")

    @cached_property
    def _credentials(self) -> Credentials | None:
        key_id, secret = self.settings.access_key_id, self.settings.secret_access_key
        if key_id is None or secret is None:
            return None
        if self._caller is not None:
            raise typer.BadParameter(
                "IAMLEDGER_ACCESS_KEY_ID says already who the caller is; unset it", param_hint="--as"
            )
        from iamledger.callers import Credentials

        return Credentials(key_id, secret)


class Reading(Session):
    """A command that reads, at a moment."""

    def __init__(
        self,
        account: str | None,
        output: Output,
        as_of: str | None = None,
        stale: bool = False,
        diff: tuple[str, str] | None = None,
        as_user: str | None = None,
    ) -> None:
        super().__init__(account, output, as_user)
        self.as_of = as_of
        self.stale = stale
        self.diff = diff
        if diff is not None and as_of is not None:
            raise typer.BadParameter("it names two moments itself; leave --as-of out", param_hint="--diff")

    @contextmanager
    def view(self, *projections: str, account_id: str | None = None, as_of: str | None = None) -> Iterator[View]:
        """These projections of the account, at the moment that was asked for; what others do does not matter.

        Positions are an account's own, so for another one `as_of` is a time.
        """
        from iamledger.engine.view import open_view
        from iamledger.moments import moment
        from iamledger.read_models import all_projections

        account_id = account_id or self.account_id
        connection = self.database.connection
        asked = as_of or self.as_of
        at = moment(connection, account_id, asked) if asked is not None else None
        with open_view(
            connection,
            account_id,
            [all_projections()[name] for name in projections],
            position=at.position if at else None,
            time=at.time if at else None,
            stale=self.stale,
        ) as view:
            yield view

    def find(self, kind: str, called: str) -> list[Found]:
        """What is called so, found as the command finds it: at the moment asked for, or at both of --diff; see `show`."""
        if self.diff is None:
            return [self._found(kind, called, self.as_of)]
        last = self._found(kind, called, self.diff[1])
        first = self._found(kind, last.unique_id or called, self.diff[0])
        return [last] if last.unique_id and not first.unique_id else [last, first]

    def _found(self, kind: str, called: str, moment: str | None) -> Found:
        from iamledger.iam.refusals import Refusal

        try:
            with self.view(*READS, as_of=moment) as view:
                return found_in(view, kind, called)
        except Refusal:  # the moment is none, or the name; that is told to who may know what there is
            return named_so(self.account_id, kind, called)

    def position(self) -> int:
        """The position that was asked for, or the head."""
        from iamledger import store
        from iamledger.moments import moment

        connection = self.database.connection
        if self.as_of is not None:
            return moment(connection, self.account_id, self.as_of).position
        return store.head(connection, self.account_id).position

    def show(
        self,
        name: str,
        projections: Collection[str],
        query: Callable[[View, str], Row],
        called: str,
        id_: str | None = None,
    ) -> None:
        """Print one thing, or with --diff how it differs between two moments. Raises NoSuchEntity.

        `query` finds what is called so. What has another name at the first moment is found by the unique id that it has at
        the second, in the member `id_`.
        """
        if self.diff is None:
            with self.view(*projections) as view:
                self.tell(name, query(view, called), view)
            return
        from iamledger.cli.differences import tell_differences

        after, origin_after, missing = self._at(self.diff[1], projections, query, called)
        same = after[id_] if after is not None and id_ is not None else called
        before, origin_before, _ = self._at(self.diff[0], projections, query, same)
        if before is None and missing is not None:
            raise missing
        tell_differences(self.output, name, (before, origin_before), (after, origin_after))

    def _at(
        self, moment: str, projections: Collection[str], query: Callable[[View, str], Row], called: str
    ) -> tuple[Row | None, dict[str, Any], NoSuchEntity | None]:
        """What is called so at a moment, or why there is nothing."""
        from iamledger.iam.refusals import NoSuchEntity

        self.as_of = moment
        with self.view(*projections) as view:
            try:
                return query(view, called), self.origin(view), None
            except NoSuchEntity as error:
                return None, self.origin(view), error

    def origin(self, view: View) -> dict[str, Any]:
        """Which moment of which account an answer is of, for programs."""
        return {"Account": view.account_id, "Position": view.position, "RecordedAt": view.recorded_at}

    def tell(self, name: str, answer: Sequence[Row] | Row, view: View, columns: Sequence[str] | None = None) -> None:
        """Print rows, or one record, and which position they are of. `name` is the member of the JSON object."""
        if self.output is Output.JSON:
            print_json({**self.origin(view), name: answer})
            return
        rows = [answer] if isinstance(answer, Mapping) else answer
        columns = columns or (list(rows[0]) if rows else [])
        if self.output is Output.CSV:
            print_csv(rows, columns)
        elif isinstance(answer, Mapping):
            print_record(answer)
        elif rows:
            print_table(rows, columns)
        else:
            print(f"No {name}.")
        self.tell_origin(view)

    def tell_table(self, rows: Sequence[Row], columns: Sequence[str], view: View, none: str) -> None:
        """Print rows for people, without empty columns; or in a sentence that there are none."""
        if rows:
            print_filled(rows, columns)
        else:
            print(none)
        self.tell_origin(view)

    def tell_origin(self, view: View) -> None:
        """Print below an answer which moment of which account it is of. In JSON the answer has it; see `origin`."""
        if self.output is Output.CSV:
            note(_as_of(view))
        elif self.output is Output.TABLE:
            say(_as_of(view), "faint")


class Writing(Session):
    """A command that appends events."""

    def __init__(
        self,
        account: str | None,
        output: Output,
        reason: str | None,
        ticket: str | None,
        request_id: str | None,
        dry_run: bool,
        if_not_exists: bool = False,
        as_user: str | None = None,
    ) -> None:
        super().__init__(account, output, as_user)
        self.dry_run = dry_run
        self.if_not_exists = if_not_exists
        self.request_id = request_id
        self.purpose = {"reason": reason, "ticket": ticket, "request_id": request_id}

    def execute(self, decision: Callable[..., Any], **arguments: Any) -> Outcome:
        """Run a decision on the account."""
        return self.unless_exists(
            lambda: self.ledger(self.account_id).execute(decision, dry_run=self.dry_run, **arguments)
        )

    def execute_all(self, commands: Sequence[Command]) -> Outcome:
        """Run several decisions on the account, and append what they yield at once, or nothing."""
        return self.unless_exists(lambda: self.ledger(self.account_id).execute_all(commands, dry_run=self.dry_run))

    def unless_exists(self, run: Callable[[], Outcome]) -> Outcome:
        """With --if-not-exists, what exists already is no refusal: nothing was changed, and that is told."""
        from iamledger.iam.refusals import EntityAlreadyExists
        from iamledger.ledger import Outcome

        try:
            return run()
        except EntityAlreadyExists as exists:
            if not self.if_not_exists:
                raise
            note(str(exists))
            return Outcome([])

    def tell(self, outcome: Outcome, did: str, record: Row | None = None) -> None:
        """Print what was done, a record of it, and the position."""
        changed = _changed(self.account_id, outcome)
        if self.output is Output.JSON:
            print_json({**changed, **({"Result": record} if record and not self.dry_run else {})})
        elif self.output is Output.CSV:
            if self.dry_run:
                print_csv(changed["Events"], ["Type", "Data"])
            elif record:
                print_csv([record], list(record))
        elif not outcome.events:
            print("Nothing to change.")
        elif self.dry_run and not outcome.repeated:
            say("Would append:", "heading")
            for event in changed["Events"]:
                print(f"  {event['Type']}")
                for name, value in event["Data"].items():
                    print(f"    {name:<18} {cell(value)}")
        else:
            print(f"Done before: {did}" if outcome.repeated else did)
            if record and not self.dry_run:
                print_record(record)
        if self.output is not Output.JSON and outcome.last is not None:
            one = outcome.first == outcome.last
            line = f"position {outcome.last}" if one else f"positions {outcome.first} to {outcome.last}"
            say(line, "position") if self.output is Output.TABLE else note(line)


def reading(*permits: Permit, without: Collection[str] = (), diff: bool = False) -> Decorator:
    """Add the options of commands that read, but for some. With `diff`, also that of two moments; see `Reading.show`.

    `permits` are what the caller must be permitted.
    """
    moments: dict[str, tuple[Any, Any]] = {"as_of": (AsOfOption, None), "stale": (StaleOption, False)}
    if diff:
        moments["diff"] = (DiffOption, None)
    return _with_session(Reading, permits, {**moments, **_COMMON}, without)


def writing(*permits: Permit, without: Collection[str] = (), creates: bool = False, appends: bool = True) -> Decorator:
    """Add the options of commands that append events, but for some. With `creates`, also that of what exists already.

    One that never `appends` is always a dry run. What the caller must be permitted is told by the decisions; `permits` are
    what the command reads besides.
    """
    purpose: dict[str, tuple[Any, Any]] = {
        "reason": (ReasonOption, None),
        "ticket": (TicketOption, None),
        "request_id": (RequestOption, None),
        "dry_run": (DryRunOption, not appends),
    }
    if not appends:
        without = (*without, *purpose)
    if creates:
        purpose["if_not_exists"] = (IfNotExistsOption, False)
    return _with_session(Writing, permits, {**purpose, **_COMMON}, without)


def plain(*permits: Permit, without: Collection[str] = ()) -> Decorator:
    """Add the options of commands that neither look at a moment nor append, but for some.

    `permits` are what the caller must be permitted; one that looks at no ledger has `LOCAL`.
    """
    return _with_session(Session, permits, _COMMON, without)


Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]

_COMMON: dict[str, tuple[Any, Any]] = {
    "account": (AccountOption, None),
    "as_user": (AsOption, None),
    "output": (OutputOption, Output.TABLE),
}


def _with_session(
    kind: type[Session], permits: tuple[Permit, ...], options: Mapping[str, tuple[Any, Any]], without: Collection[str]
) -> Decorator:
    if not permits and kind is not Writing:
        raise TypeError("a command that reads says what its caller must be permitted")
    left_out = {*without, *({"as_user"} if LOCAL in permits else ())}
    asked = {name: option for name, option in options.items() if name not in left_out}

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        operation = _operation(command)
        signature = inspect.signature(command, eval_str=True)
        _, *own = signature.parameters.values()
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in asked.items()
        ]

        @wraps(command)
        def with_session(**arguments: Any) -> None:
            shared = {name: arguments.pop(name) for name in asked}
            session = kind(**{**{name: default for name, (_, default) in options.items()}, **shared})
            session.operation = operation
            try:
                session.authorize(permits, arguments)
                command(session, **arguments)
            finally:
                if "database" in vars(session):
                    session.database.close()

        with_session.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        with_session.permits = permits  # type: ignore[attr-defined]
        with_session.__annotations__ = {p.name: p.annotation for p in [*own, *added]}
        return with_session

    return decorated


def _operation(command: Callable[..., None]) -> str:
    """A command as an operation: projection_rebuild."""
    noun, verb = command.__module__.rpartition(".")[2], command.__name__.strip("_")
    return verb if noun == verb else f"{noun}_{verb}"


def _as_of(view: View) -> str:
    return f"as of position {view.position}, recorded {instant(view.recorded_at)}, account {view.account_id}"


def _changed(account_id: str, outcome: Outcome) -> dict[str, Any]:
    """An outcome, for programs."""
    return {
        "Account": account_id,
        "Position": outcome.last,
        "Repeated": outcome.repeated,
        "Events": told_events(outcome),
    }


def told_events(outcome: Outcome) -> list[dict[str, Any]]:
    """The events of an outcome, for programs."""
    return [
        {
            "Position": None if outcome.first is None else outcome.first + n,
            "Type": type(event).__name__,
            "Data": event.model_dump(mode="json"),
        }
        for n, event in enumerate(outcome.events)
    ]
