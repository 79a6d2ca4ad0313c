"""What nouns are: small immutable states that a decision looks at, folded from events.

The nouns that a decision names as parameters are its consistency boundary. A noun is narrow: only the types in
`evolves_on` are read for it, from the events that carry its tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from iamledger.iam.events import Event, Tag
from iamledger.iam.refusals import DeleteConflict, NoSuchEntity


@dataclass(frozen=True)
class Noun:
    """A state, named by `id`, as it was before its first event."""

    tag: ClassVar[Tag]
    evolves_on: ClassVar[tuple[type[Event], ...]]

    id: str

    def evolve(self, event: Any) -> Self:
        """The state after one more event."""
        raise NotImplementedError

    def fold(self, events: Iterable[Event]) -> Self:
        """The state after these events, which must carry the noun's tag and be of its types."""
        state = self
        for event in events:
            state = state.evolve(event)
        return state

    @classmethod
    def check_reference(cls, reference: str) -> None:
        """Raise ValidationError if nothing of this kind can be called so."""

    def belongs_to(self) -> tuple[type[Noun], str] | None:
        """The noun that permissions are about when something is done to this one, and its id; None if there is none."""
        return None

    def resource_arn(self, account_id: str) -> str:
        """The ARN, of a noun that permissions are about."""
        raise NotImplementedError


@dataclass(frozen=True)
class Name(Noun):
    """A name that at most one thing holds at a time. `id` is the name; names differ without regard to case."""

    holder: str | None = None
    """The id of what holds the name now."""

    @classmethod
    def arn_of(cls, account_id: str, name: str, path: str) -> str:
        """The ARN of what is called so and has that path."""
        raise NotImplementedError

    def resource_arn(self, account_id: str) -> str:
        """The ARN of what has the name, as far as the name tells it."""
        return self.arn_of(account_id, self.id, "/")


class Named:
    """Mixed into a noun that people call by name, not by id: the name is resolved inside the boundary."""

    id: str
    named_by: ClassVar[type[Name]]
    no_such: ClassVar[str]
    """What a refusal says if nothing holds the name; `{}` stands for it."""

    @classmethod
    def id_of(cls, name: Name) -> str:
        """The id behind a name, or NoSuchEntity."""
        if name.holder is None:
            raise NoSuchEntity(cls.no_such.format(name.id))
        return name.holder


@dataclass(frozen=True)
class Dependent(Noun):
    """What belongs to another noun, the one with the same tag: it must be gone before that is deleted, or goes with it."""

    remove_first: ClassVar[str] = ""
    """What a refusal says must be done first."""

    @property
    def gone(self) -> bool:
        """Is nothing of it left that stands in the way?"""
        raise NotImplementedError

    def ended(self) -> Iterable[Event]:
        """The events by which it goes, when what it belongs to is deleted."""
        return ()


def delete_dependents(dependents: Iterable[Dependent]) -> Iterable[Event]:
    """The events by which all of them go. Raises DeleteConflict for the first that stands in the way."""
    known = list(dependents)
    for dependent in known:
        if not dependent.gone:
            raise DeleteConflict(f"Cannot delete entity, {dependent.remove_first} first.")
    for dependent in known:
        yield from dependent.ended()


@dataclass(frozen=True, slots=True)
class DependentsOf:
    """Marks a parameter that is given all nouns that must be gone before the one with this tag is deleted."""

    tag: Tag


@dataclass(frozen=True, slots=True)
class NewId:
    """Marks a parameter for which the caller makes a new id, from the account's id and ten random bytes or more."""

    make: Callable[[str, bytes], str]


@dataclass(frozen=True, slots=True)
class CountOf:
    """Marks a parameter that is told how many rows a projection has now (approximate under concurrency).

    `where` is a column and the value that a rule of the projection sets it to when the row begins: only such rows count.
    """

    projection: str
    where: tuple[str, str] | None = None
