"""The small forms that elements share: an object, a text, a word of few, one text or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from iamledger.policy.json_places import Array, Boolean, Number, Object, String, Value
from iamledger.policy.problems import Malformed, Problems
from iamledger.policy.words import did_you_mean, listed, quote

Read = TypeVar("Read")
Word = TypeVar("Word", bound=str)


def members(node: Value, known: Collection[str], where: str, problems: Problems) -> dict[str, Value]:
    """The values of an object's known elements, by name. Notes the unknown ones, or that it is no object."""
    found: dict[str, Value] = {}
    for key, value in every_member(node, problems):
        if key.text in known:
            found[key.text] = value
        else:
            advice = did_you_mean(key.text, known) or f"it has {listed(known, 'and')}"
            problems.add(key.offset, key.path, f"{where} has no element {quote(key.text)}", advice)
    return found


def every_member(node: Value, problems: Problems) -> Collection[tuple[String, Value]]:
    """The keys and values of an object, in order. None, with a problem noted, of anything else."""
    if isinstance(node, Object):
        return node.members.values()
    problems.add(node.offset, node.path, f"expected an object and found {node.shown}")
    return ()


def text(node: Value, problems: Problems) -> str | None:
    """A string's text. None, with a problem noted, for anything else."""
    if isinstance(node, String):
        return node.text
    problems.add(node.offset, node.path, f"expected a string and found {node.shown}")
    return None


def one_of(words: tuple[Word, ...], node: Value, what: str, problems: Problems) -> Word | None:
    """The one of a few words that a string is. None, with a problem noted, for anything else."""
    if (written := text(node, problems)) is None:
        return None
    for word in words:
        if word == written:
            return word
    advice = did_you_mean(written, words) or f"write {listed(words)}"
    problems.add(node.offset, node.path, f"{quote(written)} is no {what}", advice)
    return None


def each(node: Value, read: Callable[[str], Read], problems: Problems) -> tuple[Read, ...]:
    """What a string, or each string of a non-empty array, is read as. Malformed ones are noted and left out."""
    nodes = node.items if isinstance(node, Array) else (node,)
    if not nodes:
        problems.add(node.offset, node.path, "an empty array says nothing", "write at least one string, or remove it")
    return tuple(_read_each(nodes, read, problems))


def _read_each(nodes: tuple[Value, ...], read: Callable[[str], Read], problems: Problems) -> Iterator[Read]:
    for node in nodes:
        if (written := text(node, problems)) is not None:
            try:
                yield read(written)
            except Malformed as malformed:
                problems.add(node.offset, node.path, malformed.message, malformed.advice)


def scalars(node: Value, problems: Problems) -> Iterator[tuple[Value, str]]:
    """The values of a condition's key and their texts: strings, numbers and booleans, alone or in an array."""
    for item in node.items if isinstance(node, Array) else (node,):
        match item:
            case String() | Number():
                yield item, item.text
            case Boolean():
                yield item, item.shown
            case _:
                problems.add(item.offset, item.path, f"expected a string, a number or a boolean and found {item.shown}")
