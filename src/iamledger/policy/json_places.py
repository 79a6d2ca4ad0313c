"""JSON whose values know where they stand.

The language is that of RFC 8259, strictly: no comments, trailing commas, NaN or Infinity. Beyond it, a key stands only once
in an object, a string holds no half of a surrogate pair, and there are at most `DEEPEST` levels of nesting (a policy needs
six). The first breach of the syntax ends the reading; repeated keys are noted and read past.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from iamledger.policy.problems import ROOT, Path, Problems
from iamledger.policy.words import clip, quote

DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Value:
    """Any JSON value; in the text, it begins at `offset`, and `end` is the offset behind it."""

    offset: int
    path: Path
    end: int

    @property
    def shown(self) -> str:
        """What it is, for a message that says what was found."""
        return "null"


@dataclass(frozen=True, slots=True)
class Null(Value):
    """A null."""


@dataclass(frozen=True, slots=True)
class Boolean(Value):
    """A true or a false."""

    value: bool

    @property
    def shown(self) -> str:
        """What it is, for a message that says what was found."""
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Number(Value):
    """A number, as it is written."""

    text: str

    @property
    def shown(self) -> str:
        """What it is, for a message that says what was found."""
        return f"the number {clip(self.text)}"


@dataclass(frozen=True, slots=True)
class String(Value):
    """A string, decoded."""

    text: str

    @property
    def shown(self) -> str:
        """What it is, for a message that says what was found."""
        return f"the string {quote(self.text)}"


@dataclass(frozen=True, slots=True)
class Array(Value):
    """An array."""

    items: tuple[Value, ...]

    @property
    def shown(self) -> str:
        """What it is, for a message that says what was found."""
        return "an array" if self.items else "an empty array"


@dataclass(frozen=True, slots=True)
class Object(Value):
    """An object. A key's path is its value's. Of a repeated key, the first stands."""

    members: dict[str, tuple[String, Value]]

    @property
    def shown(self) -> str:
        """What it is, for a message that says what was found."""
        return "an object" if self.members else "an empty object"


def read(text: str, problems: Problems) -> Value | None:
    """The value that a text is. None, with a problem noted, if the text is not JSON."""
    reader = _Reader(text, problems)
    try:
        value = reader.value(ROOT, 0)
        reader.expect_end()
    except _NoJson as broken:
        if not problems.at(broken.offset):
            problems.add(broken.offset, broken.path, broken.message, broken.advice)
        return None
    return value


_SPACE = re.compile(r"[ \t\n\r]*+")
_WORD = re.compile(r"[\w.+-]++")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_CHARACTERS = re.compile(r"""(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*""")
"""Nothing comes after it, so it never goes back. A possessive group would, wrongly, with Python 3.11.2."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _NoJson(Exception):
    def __init__(self, offset: int, path: Path, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.offset, self.path, self.message, self.advice = offset, path, message, advice


class _Reader:
    def __init__(self, text: str, problems: Problems) -> None:
        self._text, self._problems, self._at = text, problems, 0

    def value(self, path: Path, depth: int) -> Value:
        start = self._skip_space()
        first = self._text[start : start + 1]
        if first in ("{", "["):
            if depth == DEEPEST:
                raise _NoJson(start, path, f"nested deeper than {DEEPEST} levels")
            self._at += 1
            return self._object(start, path, depth + 1) if first == "{" else self._array(start, path, depth + 1)
        if first == '"':
            return self._string(path)
        return self._plain(start, path)

    def expect_end(self) -> None:
        if self._skip_space() < len(self._text):
            raise self._unexpected("the end of the text", ROOT)

    def _object(self, start: int, path: Path, depth: int) -> Object:
        members: dict[str, tuple[String, Value]] = {}
        while self._goes_on("}", path, first=not members):
            place = self._skip_space()
            if self._text[place : place + 1] != '"':
                raise self._unexpected("a key in double quotes" + (" or }" if not members else ""), path)
            read = self._string(path)
            name = read.text
            key = String(place, path.child(name), read.end, name)
            if self._text[self._skip_space() : self._at + 1] != ":":
                raise self._unexpected("a colon", key.path)
            self._at += 1
            value = self.value(key.path, depth)
            if name in members:
                line = self._problems.lines.place(members[name][0].offset).line
                self._problems.add(place, key.path, f"{quote(name)} stands here again, after line {line}")
            members.setdefault(name, (key, value))
        return Object(start, path, self._at, members)

    def _array(self, start: int, path: Path, depth: int) -> Array:
        items: list[Value] = []
        while self._goes_on("]", path, first=not items):
            items.append(self.value(path.child(len(items)), depth))
        return Array(start, path, self._at, tuple(items))

    def _goes_on(self, closing: str, path: Path, *, first: bool) -> bool:
        """Whether another item comes before the closing bracket. Passes over the comma or the bracket."""
        place = self._skip_space()
        found = self._text[place : place + 1]
        if found == closing:
            self._at += 1
            return False
        if first:
            return True
        if found != ",":
            raise self._unexpected(f"a comma or {closing}", path)
        self._at += 1
        after = self._skip_space()
        if self._text[after : after + 1] == closing:
            raise _NoJson(place, path, f"a comma with nothing between it and {closing}", "remove the comma")
        return True

    def _string(self, path: Path) -> String:
        start = self._at
        end = _CHARACTERS.match(self._text, start + 1).end()  # type: ignore[union-attr]  # it can match nothing
        stop = self._text[end : end + 1]
        if stop != '"':
            raise self._broken_string(start, end, path)
        self._at = end + 1
        decoded = self._text[start + 1 : end]
        if "\\" in decoded:
            decoded = json.loads(self._text[start : self._at])
        if _SURROGATE.search(decoded):
            raise _NoJson(start, path, f"half of a surrogate pair in the string {quote(decoded)}")
        return String(start, path, self._at, decoded)

    def _broken_string(self, start: int, end: int, path: Path) -> _NoJson:
        stop, after = self._text[end : end + 1], self._text[end + 1 : end + 2]
        if not stop or (stop == "\\" and not after):
            return _NoJson(start, path, "a string that does not end", 'close it with "')
        if stop in ("\n", "\r"):
            return _NoJson(start, path, "a string that does not end in its line", 'close it with ", or write \\n')
        if stop != "\\":
            return _NoJson(end, path, f"the character U+{ord(stop):04X} in a string", "write it as an escape")
        if after == "u":
            return _NoJson(end, path, "\\u without four hexadecimal digits", "write \\\\ for a \\")
        return _NoJson(end, path, f"a backslash before {quote(after)} begins no escape", "write \\\\ for a \\")

    def _plain(self, start: int, path: Path) -> Value:
        match = _WORD.match(self._text, start)
        if match is None:
            raise self._unexpected("a value", path)
        word = match.group()
        self._at = match.end()
        if _NUMBER.fullmatch(word):
            return Number(start, path, self._at, word)
        if word in ("true", "false"):
            return Boolean(start, path, self._at, word == "true")
        if word == "null":
            return Null(start, path, self._at)
        raise _NoJson(start, path, f"{quote(word)} is no JSON value", _meant(word))

    def _skip_space(self) -> int:
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it can match nothing
        return self._at

    def _unexpected(self, wanted: str, path: Path) -> _NoJson:
        rest = self._text[self._at : self._at + 80]
        found, advice = quote(rest[:1]), None
        if not rest:
            found = "the end of the text"
        elif rest.startswith(("//", "/*", "#")):
            found, advice = "a comment", "remove it: JSON has no comments"
        elif rest[0] == "'":
            advice = "write strings in double quotes"
        elif rest[0] == '"':
            found = "a string"
        elif word := _WORD.match(rest):
            found = quote(word.group())
        return _NoJson(self._at, path, f"expected {wanted} and found {found}", advice)


def _meant(word: str) -> str:
    if meant := {"true": "true", "false": "false", "null": "null", "none": "null"}.get(word.lower()):
        return f"write {meant}"
    if word.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return "JSON knows finite numbers only"
    return "write strings in double quotes" if word[0].isalpha() else "write numbers like 0.5, -1 or 1e3"
