"""Output. The rules:

Answers go to standard output, everything else (progress, notes, errors) to standard error. `table` is for people: rich
tables on a terminal, with folded cells if it is narrow, or a paragraph for each row if it is too narrow even for that; plain
aligned columns in a pipe; no colour with NO_COLOR. Identifiers and times are never broken over lines, so that they can be
copied. `json` is one object with the account, the position and the answer; `csv` is the answer alone. Column names are
IAM's; in answers about access, for people, those of `cells`.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any
from unicodedata import combining, east_asian_width

Row = Mapping[str, Any]


class Output(StrEnum):
    """How to answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def on_terminal() -> bool:
    """Is standard output a terminal?"""
    return sys.stdout.isatty()


def with_styles() -> bool:
    """May the answer have colours and the like? See https://no-color.org."""
    return on_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str) -> str:
    """Text in one of our styles, where there may be any."""
    if not with_styles():
        return text
    import typer

    return typer.style(text, **_STYLES[style])


_STYLES: dict[str, dict[str, Any]] = {
    "heading": {"bold": True},
    "position": {"fg": "yellow"},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "faint": {"dim": True},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
}


def say(text: str, style: str | None = None) -> None:
    """A line of the answer for people, in one of our styles."""
    print(styled(text, style) if style else text)


def note(text: str, style: str | None = None) -> None:
    """Tell a person something that is not the answer."""
    text = _visible_lines(text)
    print(styled(text, style) if style and sys.stderr.isatty() else text, file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON value."""
    ascii_only = not sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=ascii_only, default=_plain)
    print(_NO_ASCII.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text))


_NO_ASCII = re.compile(r"[^ -~\n]")
"""What may not be printable; asking each character of a large report takes as long as all else."""


def print_csv(rows: Sequence[Row], columns: Sequence[str], *, header: bool = True) -> None:
    """A header and the rows. Cells that a spreadsheet would take for a formula are quoted with an apostrophe.

    A secret is not: it would be another one, and nobody could tell.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in rows:
        cells = {column: _csv_cell(column, row.get(column)) for column in columns}
        writer.writerow([text if name == "SecretAccessKey" else _harmless(text) for name, text in cells.items()])


_DOCUMENTS = ("Document", "Before", "After")


def _csv_cell(column: str, value: Any) -> str:
    """As `cell`, but a policy's text keeps its lines: it would be no JSON without them."""
    if column in _DOCUMENTS and isinstance(value, str):
        return "".join(c if c.isprintable() or c in "\n\r\t" else ascii(c)[1:-1] for c in value)
    return cell(value, exact=True)


def print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Aligned columns; on a terminal a rich table, or paragraphs."""
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    lines = [list(columns), *cells]
    if not on_terminal():
        widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(_padded(text, width) for text, width in zip(line, widths, strict=True)).rstrip())
    elif (fitting := _fitting(lines, _room())) is None:
        for number, line in enumerate(cells):
            print("\n" * (number > 0), end="")
            print_record(dict(zip(columns, line, strict=True)))
    else:
        _rich_table(cells, columns, fitting)


def print_filled(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """As `print_table`, without the columns in which no row has anything.

    On a terminal that is too narrow, what several rows have in common is told in a line above them.
    """
    columns = [column for column in columns if any(row.get(column) not in (None, [], "") for row in rows)]
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    if on_terminal() and len(rows) > 1 and not _fits([columns, *cells]):
        same = [n for n, column in enumerate(zip(*cells, strict=True)) if len(set(column)) == 1]
        if same and len(columns) - len(same) > 1:
            say("in each row: " + "; ".join(f"{columns[n]} {cells[0][n]}" for n in same), "faint")
            columns = [column for n, column in enumerate(columns) if n not in same]
    print_table(rows, columns)


def _fits(lines: Sequence[Sequence[str]]) -> bool:
    """Whether a table fits without folded cells."""
    return sum(max(map(_width, column)) + 2 for column in zip(*lines, strict=True)) <= _room()


WHOLE_WIDTH = 27
"""Words up to this width, which is that of a time with microseconds, are whole on a terminal, if there is room for it."""
LEAST_WIDTH = 14
"""To which a column with longer words may be narrowed, and, if a table does not fit otherwise, one with any words."""
_WHOLE = re.compile(r"[A-Z0-9]{16,}|[0-9-]{10}T[0-9:.]+Z")
"""Identifiers and times, which are never broken."""
_MOST_SHARE = 60
"""So many characters a column may ask for at a time beside those that it needs; a very long cell shall not starve others."""
_ENDS = re.compile(r"(?<=[:/,.=-])|(?<=[a-z])(?=[A-Z])")
"""Where words may be broken."""


def _fitting(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """How wide columns are, so that a table fits: as wide as what they hold, or with folded cells. None if it cannot."""
    columns = list(zip(*lines, strict=True))
    whole = [max(map(_width, column)) for column in columns]
    room -= 2 * len(columns)
    if sum(whole) <= room:
        return whole
    words = [
        {(_width(word), _WHOLE.match(word) is not None) for text in column for word in text.split()}
        for column in columns
    ]
    for longest in range(WHOLE_WIDTH, LEAST_WIDTH - 1, -1):
        least = [max((_least_width(*word, longest) for word in some), default=0) for some in words]
        if sum(least) <= room:
            return _shared_out(room - sum(least), least, whole)
    return None


def _shared_out(spare: int, widths: list[int], most: Sequence[int]) -> list[int]:
    """Widths, widened by what there is to spare, each in proportion to what it lacks."""
    while True:
        lacking = [min(end - width, _MOST_SHARE) for end, width in zip(most, widths, strict=True)]
        given = [lack * spare // sum(lacking) for lack in lacking] if sum(lacking) > spare else lacking
        if not any(given):
            return widths
        widths = [width + more for width, more in zip(widths, given, strict=True)]
        spare -= sum(given)


def _least_width(length: int, is_name: bool, longest: int) -> int:
    """The width that a word must have, if those up to some length are not to be broken."""
    return length if length <= longest or (is_name and length <= WHOLE_WIDTH) else LEAST_WIDTH


def _folded(text: str, width: int) -> str:
    """A text in lines: between its words, and in those that are too long where their parts end."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and _width(lines[-1]) + 1 + _width(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += _broken(word, width)
    return "\n".join(lines)


def _broken(word: str, width: int) -> list[str]:
    """The pieces of a word, none of them longer than some width."""
    pieces = []
    while _width(word) > width:
        most = next((end for end in range(width, 1, -1) if _width(word[:end]) <= width), 1)
        ends = [found.start() for found in _ENDS.finditer(word, 1) if most // 3 <= found.start() <= most]
        end = ends[-1] if ends else most
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]


def _width(text: str) -> int:
    """How many places a text takes on a terminal, where East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _room() -> int:
    return shutil.get_terminal_size().columns


def print_record(record: Row) -> None:
    """One thing: a line for each of its members, then a table for each list of things, then its texts."""
    tables = {name: value for name, value in record.items() if _is_table(value)}
    texts = {name: value for name, value in record.items() if isinstance(value, str) and "\n" in value}
    lines = {name: value for name, value in record.items() if name not in tables and name not in texts}
    width = max(map(len, lines), default=0)
    for name, value in lines.items():
        print(f"{styled(name.ljust(width), 'heading')}  {cell(value)}")
    for name, rows in tables.items():
        say(f"\n{name}", "heading")
        print_table(rows, list(rows[0]))
    for name, text in texts.items():
        say(f"\n{name}", "heading")
        print_document(text)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and value != [] and isinstance(value[0], dict) and "Key" not in value[0]


def print_document(text: str) -> None:
    """A policy document as it was submitted; with the colours of JSON where there may be any."""
    visible = _visible_lines(text.rstrip("\n").replace("\r\n", "\n").replace("\t", "    "))
    if not with_styles():
        print(visible)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console(width=_room()).print(Syntax(visible, "json", theme="ansi_dark", word_wrap=True))


def cell(value: Any, *, exact: bool = False) -> str:
    """A value as text: times in UTC (to the second, unless `exact`), tags as key=value, nothing as `-` or empty."""
    match value:
        case str():
            return _visible(value)
        case None | []:
            return "" if exact else "-"
        case bool():
            return str(value).lower() if exact else "yes" if value else "no"
        case datetime():
            return instant(value) if exact else instant(value)[:19] + "Z"
        case {"type": "LocalOperator" | "Principal"}:
            from iamledger.actors import shown

            return _visible(shown(value))
        case [{"Key": _}, *_]:
            return _visible(", ".join(f"{tag['Key']}={tag['Value']}" for tag in value))
        case dict() | list():
            return _visible(json.dumps(value, ensure_ascii=False, default=_plain))
    return _visible(str(value))


def instant(time: datetime) -> str:
    """A time in ISO 8601, UTC, with microseconds."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"  # strftime: no year 0999


def _plain(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else str(value)


def _visible_lines(text: str) -> str:
    return "\n".join(map(_visible, text.split("\n")))


def _visible(text: str) -> str:
    """Control characters spelled out, so that stored text cannot steer a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _harmless(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _rich_table(cells: Sequence[Sequence[str]], columns: Sequence[str], widths: Sequence[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold" if with_styles() else "")
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in cells:
        table.add_row(*(Text(_folded(text, width)) for text, width in zip(line, widths, strict=True)))
    Console(width=_room()).print(table)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error, if that is a terminal. Yields a function that is told (done) or (done, total)."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)

        def tell(done: int, of: int | None = total) -> None:
            progress.update(task, completed=done, total=of)

        yield tell
