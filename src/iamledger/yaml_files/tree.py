"""YAML as a tree of texts, lists and maps, each with its place. No tags, anchors and aliases: a few lines of those could
stand for more than there is memory. Built from the parser's events, since libyaml's own composer dies of deep nesting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

DEEPEST = 100
_NOT_OF_YAML = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class InvalidYaml(Exception):
    """The text is no YAML, or more than is taken. `place` is its line and column, from 1, where they are known."""

    def __init__(self, what: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(what)
        self.place = place


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. `plain` tells that it stands without quotes, so that it may mean nothing, a number, or true."""

    value: str
    plain: bool
    place: tuple[int, int]

    @property
    def is_null(self) -> bool:
        """Does nothing stand here?"""
        return self.plain and self.value in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    elements: list[Node]
    place: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map, its entries in their order; whether keys are unique is for the reader to see."""

    entries: list[tuple[Node, Node]]
    place: tuple[int, int]


Node = Scalar | Sequence | Mapping


def parse(text: str) -> Node | None:
    """The tree of a text with one document, or none. Raises `InvalidYaml`."""
    wrong = _NOT_OF_YAML.search(text)
    if wrong:
        at = wrong.start()
        place = (text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise InvalidYaml(f"the character {wrong[0]!a} cannot stand in YAML", place)
    loader = _Loader(text)
    try:
        return _document(_events(loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidYaml(str(error.problem or error.context), _place(mark) if mark else None) from None
    finally:
        loader.dispose()


def _events(loader: Any) -> Iterator[Any]:
    while loader.check_event():
        yield loader.get_event()


def _document(events: Iterator[Any]) -> Node | None:
    root = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise InvalidYaml("a second document begins here", _place(event.start_mark))
            root = _node(next(events), events, 0)
    return root


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    place = _place(event.start_mark)
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise InvalidYaml("anchors and aliases are not taken; write it out where it is meant", place)
    if event.tag is not None:
        raise InvalidYaml(f"the tag {event.tag} means nothing here", place)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, not event.style, place)
    if depth == DEEPEST:
        raise InvalidYaml(f"nested more than {DEEPEST} levels deep", place)
    if isinstance(event, yaml.SequenceStartEvent):
        elements = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            elements.append(_node(event, events, depth + 1))
        return Sequence(elements, place)
    entries = []
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events, depth + 1)
        entries.append((key, _node(next(events), events, depth + 1)))
    return Mapping(entries, place)


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
