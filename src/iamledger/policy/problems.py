"""What is wrong with a policy document, and where: places, paths and problems.

A place is a line and a column, both from 1; columns count characters. A line ends with LF, CR LF or CR. A path names an
element from the document down, such as `Statement[1].Condition.StringLike`; the document itself has the empty path.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from iamledger.policy.words import clip, quote

MOST = 100
"""After so many problems the reading ends: who made them all will not read on."""

SHOWN = 20
"""How many of the problems an error's text shows."""


class Place(NamedTuple):
    """Where something stands in a text."""

    line: int
    column: int


class Lines:
    """The lines of a text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n?|\n", text))]

    def place(self, offset: int) -> Place:
        """The place of the character at an offset."""
        line = bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)


@dataclass(frozen=True, slots=True)
class Path:
    """The way to an element: the keys and the indexes (from 0) that lead to it. Long keys are shown shortened."""

    parent: Path | None = None
    step: str | int = ""

    def child(self, step: str | int) -> Path:
        """The path of what stands under a key or an index."""
        return Path(self, step)

    def __str__(self) -> str:
        shown = ""
        here = self
        while here.parent is not None:
            if isinstance(here.step, int):
                step = f"[{here.step}]"
            elif re.fullmatch(r"[A-Za-z0-9_:/-]{1,80}", here.step):
                step = f".{here.step}"
            else:
                step = f"[{quote(clip(here.step))}]"
            shown = step + shown
            here = here.parent
        return shown.removeprefix(".")


ROOT = Path()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `advice` is the way out, where one is known."""

    line: int
    column: int
    path: str
    message: str
    advice: str | None = None

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}: " + (f"{self.path}: " if self.path else "")
        return where + self.message + (f"; {self.advice}" if self.advice else "")


class PolicyError(ValueError):
    """A policy document is refused. `problems` are all of them in the order of the text, at most `MOST`."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        hidden = len(self.problems) - SHOWN
        return "\n".join(lines + ([f"and {hidden} more problem{'s' * (hidden > 1)}"] if hidden > 0 else []))


class Malformed(Exception):
    """A value breaks a rule. Whoever knows the value's place makes a problem of it."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.message, self.advice = message, advice


class EnoughProblems(Exception):
    """`MOST` problems were found."""


class Problems:
    """The problems found so far in one text."""

    def __init__(self, text: str) -> None:
        self.lines = Lines(text)
        self._found: list[tuple[int, Problem]] = []

    def add(self, offset: int, path: Path, message: str, advice: str | None = None) -> None:
        """Note a problem with what stands at an offset. Raises EnoughProblems."""
        self._found.append((offset, Problem(*self.lines.place(offset), str(path), message, advice)))
        if len(self._found) >= MOST:
            raise EnoughProblems

    def at(self, offset: int) -> bool:
        """Whether there is a problem with what stands at an offset."""
        return any(offset == other for other, _ in self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> PolicyError:
        """The error that tells them all, in the order of the text."""
        return PolicyError(tuple(problem for _, problem in sorted(self._found, key=lambda found: found[0])))
