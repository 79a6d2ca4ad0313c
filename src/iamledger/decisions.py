"""Binds a decision to what it was asked: finds its nouns' events, folds them, and calls it.

What a parameter is told by its annotation: a noun (or several, or one that may be left out), a new id, a count of rows, the
quotas, the time, the account's number (`own_account`); everything else is a wish of the caller.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from iamledger.iam.events import PERSONAL, Event, event_types
from iamledger.iam.identifiers import ID_BYTES
from iamledger.iam.nouns import CountOf, Dependent, DependentsOf, Named, NewId, Noun
from iamledger.iam.quotas import Quotas
from iamledger.past import Past
from iamledger.store.events import Match

Decision: TypeAlias = Callable[..., Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Command:
    """A decision and its arguments. Those named in `assumed` nobody asked for: with others it is the same command."""

    decision: Decision
    arguments: Mapping[str, Any]
    assumed: Collection[str] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    """What the caller wrote for some arguments that were looked up since: by this a repeat is known."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a decision, as its annotation tells it."""

    name: str
    noun: type[Noun] | None = None
    optional: bool = False
    new_id: NewId | None = None
    count: CountOf | None = None
    dependents: DependentsOf | None = None
    supplied: bool = False  # the quotas, the time, the number of the account
    personal: bool = False

    @property
    def asked(self) -> bool:
        """Is it the caller's to say?"""
        return not (self.supplied or self.new_id or self.count or self.dependents)


@cache
def parameters(decision: Decision) -> tuple[Parameter, ...]:
    """What a decision looks at."""
    event_types()  # so that every noun is known, also those that only depend on others
    hints = get_type_hints(decision, include_extras=True)
    return tuple(_parameter(name, hints[name]) for name in inspect.signature(decision).parameters)


def _parameter(name: str, hint: Any) -> Parameter:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    plain = get_args(hint)[0] if marks else hint
    kinds = get_args(plain) if isinstance(plain, UnionType) else (plain,)
    noun = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Noun)), None)
    mark = {type(m): m for m in marks}
    return Parameter(
        name,
        noun,
        optional=type(None) in kinds,
        new_id=mark.get(NewId),
        count=mark.get(CountOf),
        dependents=mark.get(DependentsOf),
        supplied=plain is Quotas or name in ("now", "own_account"),
        personal=PERSONAL in marks,
    )


@dataclass
class Bound:
    """A decision with its arguments. Used in the order: `first_query`, `resolve_names`, `second_query`, `decide`."""

    account_id: str
    decision: Decision
    wishes: dict[str, Any]
    references: dict[str, str]
    """What the nouns are called by, by parameter."""
    nouns: dict[str, type[Noun]]
    many: dict[str, list[type[Dependent]]]
    ids: dict[str, str] = field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """What the caller asked for, without what was made or supplied: two such commands are the same."""
        return {**self.wishes, **{name: r for name, r in self.references.items() if name not in self.ids}}

    def personal(self) -> list[str]:
        """The wishes that hold personal data."""
        return [p.name for p in parameters(self.decision) if p.personal and self.wishes.get(p.name)]

    def first_query(self) -> list[Match]:
        """The names to resolve, and the nouns that are called by their id."""
        return query_of((_naming(noun) or noun, self.references[name]) for name, noun in self.nouns.items())

    def second_query(self) -> list[Match]:
        """The nouns behind the names."""
        named = [(noun, self._subjects[name]) for name, noun in self.nouns.items() if _naming(noun)]
        dependents = [(noun, self._subject_of(noun)) for nouns in self.many.values() for noun in nouns]
        return query_of([*named, *dependents])

    def resolve_names(self, past: Past) -> None:
        """Find the ids behind the names. Raises NoSuchEntity."""
        self._subjects = {name: self.subject(name, past) for name in self.nouns}

    def subject(self, name: str, past: Past) -> str:
        """The id of the noun that a parameter is told. Raises NoSuchEntity."""
        noun, reference = self.nouns[name], self.references[name]
        naming = _naming(noun)
        return reference if naming is None else noun.id_of(past.fold(naming, reference))  # type: ignore[attr-defined]

    def decide(self, past: Past, *, now: datetime, quotas: Quotas, count: Callable[[CountOf], int]) -> list[Event]:
        """Fold the nouns and call the decision. Raises a `Refusal`."""
        arguments = self.known(past)
        for name, nouns in self.many.items():
            arguments[name] = [past.fold(noun, self._subject_of(noun)) for noun in nouns]
        for parameter in parameters(self.decision):
            if parameter.name == "now":
                arguments["now"] = now
            elif parameter.name == "own_account":
                arguments["own_account"] = self.account_id
            elif parameter.supplied:
                arguments[parameter.name] = quotas
            elif parameter.count is not None:
                arguments[parameter.name] = count(parameter.count)
            elif parameter.new_id is not None and parameter.noun is None:
                arguments[parameter.name] = self.ids[parameter.name]
        return list(self.decision(**arguments))

    def known(self, past: Past) -> dict[str, Any]:
        """The wishes, and the nouns, folded."""
        return {**self.wishes, **{name: past.fold(noun, self._subjects[name]) for name, noun in self.nouns.items()}}

    def _subject_of(self, dependent: type[Dependent]) -> str:
        return next(self._subjects[name] for name, noun in self.nouns.items() if noun.tag == dependent.tag)


def bind(decision: Decision, account_id: str, arguments: Mapping[str, Any]) -> Bound:
    """Sort the arguments into what nouns are called by and what is wished. Raises ValidationError, TypeError."""
    wishes = dict(arguments)
    nouns: dict[str, type[Noun]] = {}
    references: dict[str, str] = {}
    many: dict[str, list[type[Dependent]]] = {}
    ids: dict[str, str] = {}
    for parameter in parameters(decision):
        name = parameter.name
        if name in wishes and not parameter.asked:
            raise TypeError(f"{decision.__name__} is not told its {name}: that is supplied")
        if parameter.new_id is not None:
            ids[name] = parameter.new_id.make(account_id, os.urandom(ID_BYTES))
        if parameter.dependents is not None:
            many[name] = _dependents(parameter.dependents)
        elif parameter.noun is not None:
            reference = wishes.pop(name, None)
            if reference is None:  # an empty one is malformed, not left out
                reference = ids.get(name) or _same_subject(parameter.noun, nouns, references)
            if reference is None:
                if parameter.optional:
                    continue
                raise TypeError(f"{decision.__name__} needs to know which {name}")
            parameter.noun.check_reference(reference)
            (_naming(parameter.noun) or parameter.noun).check_reference(reference)
            nouns[name], references[name] = parameter.noun, reference
    for name in wishes.keys() - {parameter.name for parameter in parameters(decision)}:
        raise TypeError(f"{decision.__name__} got an unexpected keyword argument '{name}'")
    return Bound(account_id, decision, wishes, references, nouns, many, ids)


def _same_subject(noun: type[Noun], nouns: Mapping[str, type[Noun]], references: Mapping[str, str]) -> str | None:
    """What another noun with the same tag is called by; two of the same kind are two things, and each must be named."""
    return next(
        (references[name] for name, other in nouns.items() if other.tag == noun.tag and other is not noun), None
    )


def _dependents(of: DependentsOf, among: type[Noun] = Dependent) -> list[type[Dependent]]:
    """Every kind of dependent with that tag; those without one only share what several have.

    They are ordered by name, so that of several that stand in the way a refusal always names the same one.
    """
    found: list[type[Dependent]] = []
    for noun in among.__subclasses__():
        if getattr(noun, "tag", None) == of.tag:
            found.append(noun)  # type: ignore[arg-type]
        found += _dependents(of, noun)
    return sorted(found, key=lambda noun: noun.__name__)


def _naming(noun: type[Noun]) -> Any:
    return noun.named_by if issubclass(noun, Named) else None


def query_of(nouns: Iterable[tuple[type[Noun], str]]) -> list[Match]:
    """One item for each tag, with all types that any of its nouns evolves on."""
    types: dict[str, dict[str, None]] = {}
    for noun, subject in nouns:
        types.setdefault(noun.tag.of(subject), {}).update((event.__name__, None) for event in noun.evolves_on)
    return [Match([tag], list(names)) for tag, names in types.items()]
