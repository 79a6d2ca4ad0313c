"""Command-line sessions as tests.

A transcript holds commands and what they print:

    $ iamledger user show nobody
    ! NoSuchEntity: The user with name nobody cannot be found.
    [exit 1]

Lines with `! ` stand on standard error, others on standard output; `[exit N]` is there unless it is 0. A command may
begin with settings (`NO_COLOR=1 iamledger …`); other programs run as they are. What differs from run to run stands as a
placeholder: `<UserId>`, `<AccessKeyId>` and so on. Those of identifiers, and all that have a label (`<Time:before>`), bind
what they match, must match the same later on, and can be used in commands. Two or more spaces match any two or more.

To write what the program prints into the transcripts: IAMLEDGER_TRANSCRIPTS=write pytest tests/cli/test_transcripts.py
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.conftest import Program, Ran
from iamledger.cli.main import app

FOLDER = Path(__file__).with_name("transcripts")
TRANSCRIPTS = sorted(path.stem for path in FOLDER.glob("*.txt"))
WRITE = os.environ.get("IAMLEDGER_TRANSCRIPTS") == "write"

KINDS = {
    "MerkleRoot": r"[A-Za-z0-9+/]{43}=",
    "Secret": r"(?<![\w+/])[A-Za-z0-9+/]{40}(?![\w+/=])",
    "UserId": r"\bAIDA[A-Z2-7]{17}\b",
    "GroupId": r"\bAGPA[A-Z2-7]{17}\b",
    "PolicyId": r"\bANPA[A-Z2-7]{17}\b",
    "AccessKeyId": r"\bAKIA[A-Z2-7]{16}\b",
    "RequestId": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "Time": r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:(?:\.[0-9]{6})?Z|\+00:00)",
    "Date": r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b",
    "AccountId": r"\b[1-9][0-9]{11}\b",
    "DatabaseUser": r"(?<=database user )\w+|(?<=\"database_user\": \")\w+|(?<=\"\"database_user\"\": \"\")\w+",
}
OTHERS = {
    "Any": r".+",
    "Number": r"[0-9]+",
    "Operator": r"[^\s\",]+",
    "Version": r"[0-9]+(?:\.[0-9]+)+(?: \([^)]*\))?",
}
BINDING = {"UserId", "GroupId", "PolicyId", "AccessKeyId", "AccountId", "Operator"}
FIXED = {"123456789012", "234567890123", "999999999999", "AKIAIOSFODNN7EXAMPLE"}
"""What the transcripts chose themselves."""
PLACEHOLDER = re.compile(r"<(\w+)(?::([\w-]+))?>")


@dataclass
class Block:
    """A command, the lines that are expected, and comments before it."""

    before: list[str]
    command: str
    expected: list[str] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    """The commands of a transcript."""
    found: list[Block] = []
    between: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Block(between, line[2:]))
            between = []
        elif (
            not found
            or (between and not line)
            or (line.startswith("#") and (between or found[-1].expected[-1:] == [""]))
        ):
            between.append(line)
        else:
            found[-1].expected.append(line)
    for block in found:
        while block.expected and not block.expected[-1]:
            block.expected.pop()
    return found


class Names:
    """Which placeholder stands for which text."""

    def __init__(self, home: Path) -> None:
        self.bound = {"<Folder>": str(home), "<Operator>": pwd.getpwuid(os.getuid()).pw_name}

    def pattern(self, line: str) -> re.Pattern[str]:
        """What a line with placeholders matches."""
        parts, at = [], 0
        for match in PLACEHOLDER.finditer(line):
            kind = match[1]
            if match[0] not in self.bound and kind not in KINDS | OTHERS:
                continue
            parts.append(_spaced(line[at : match.start()]))
            if match[0] in self.bound:
                parts.append(re.escape(self.bound[match[0]]))
            else:
                parts.append(f"({(KINDS | OTHERS)[kind]})" if self._binds(match) else f"(?:{(KINDS | OTHERS)[kind]})")
            at = match.end()
        return re.compile("".join(parts) + _spaced(line[at:]))

    def _binds(self, match: re.Match[str]) -> bool:
        return match[1] in BINDING or match[2] is not None

    def matches(self, expected: str, line: str) -> bool:
        """Does a line match? Then its placeholders are bound."""
        found = self.pattern(expected).fullmatch(line)
        if found is None:
            return False
        free = [m[0] for m in PLACEHOLDER.finditer(expected) if m[1] in KINDS | OTHERS and self._binds(m)]
        for name, value in zip([name for name in free if name not in self.bound], found.groups(), strict=True):
            if self.bound.setdefault(name, value) != value:
                return False
        return True

    def put_in(self, line: str) -> str:
        """A line with placeholders for what it has of them."""
        if line.startswith(("! Usage: ", "! Try ")):  # every version of Typer words them differently
            return f"! {line.split()[1]} <Any>"
        for name, value in self.bound.items():
            if name != "<Operator>":  # who runs this may be called root, as many things are
                line = line.replace(value, name)
        line = re.sub(r'(^Actor: +|; by |"os_user"+: "+)(?!arn:)\w+', r"\1<Operator>", line)
        line = re.sub(
            rf"(?:(?<=  )|(?<=By=)|(?<=[0-9], )){self.bound['<Operator>']}(?=  |: |$)", "<Operator>", line
        )  # a column of its own
        for kind, pattern in KINDS.items():
            line = re.sub(pattern, lambda match, kind=kind: self._name(kind, match[0]), line)  # type: ignore[misc]
        return line

    def _name(self, kind: str, value: str) -> str:
        if kind == "Date" and abs(date.fromisoformat(value) - date.today()) > timedelta(days=1):
            return value  # one that a transcript chose
        if kind not in BINDING or value in FIXED:
            return value if value in FIXED else f"<{kind}>"
        number = sum(name.startswith(f"<{kind}") for name in self.bound) + 1
        name = f"<{kind}>" if number == 1 else f"<{kind}:{number}>"
        self.bound[name] = value
        return name

    def fill(self, command: str) -> str:
        """A command with what its placeholders stand for."""
        return PLACEHOLDER.sub(lambda match: self.bound[match[0]], command)


def _spaced(text: str) -> str:
    return re.sub(r"(?:\\ ){2,}", "[ ]{2,}", re.escape(text))


def printed(ran: Ran) -> list[str]:
    """What a command printed, as a transcript has it."""
    lines = ran.out.splitlines()
    while lines and not lines[-1]:
        lines.pop()
    lines += [f"! {line}".rstrip() for line in ran.err.splitlines()]
    return [*lines, f"[exit {ran.status}]"] if ran.status else lines


def told(block: Block, actual: Iterable[str], names: Names) -> list[str]:
    """The actual lines as the transcript would have them."""
    left = list(block.expected)
    lines = []
    for line in actual:
        found = next((expected for expected in left if names.matches(expected, line)), None)
        if found is not None:
            left.remove(found)
        lines.append(names.put_in(line) if found is None else found)
    return lines


def replay(text: str, home: Path, run: Callable[[str], Ran]) -> str:
    """The transcript as it is when its commands are run now."""
    names = Names(home)
    lines: list[str] = []
    for block in blocks(text):
        lines += [*block.before, f"$ {block.command}", *told(block, printed(run(names.fill(block.command))), names), ""]
    return "\n".join(lines[:-1]) + "\n"


def compare(name: str, program: Program, run: Callable[[str], Ran]) -> None:
    """Run a transcript, and compare or write it."""
    file = FOLDER / f"{name}.txt"
    now = replay(file.read_text(), program.folder, run)
    if WRITE:
        file.write_text(now)
    assert now.splitlines() == blank_lines_aside(file.read_text())


def blank_lines_aside(text: str) -> list[str]:
    """The lines of a transcript, however many blank ones stand between two commands."""
    return re.sub(r"\n{2,}(?=[$#])", "\n\n", text).rstrip("\n").splitlines()


def parsed(command: str) -> tuple[list[str], dict[str, str]]:
    """The words of a command, and the settings before them."""
    words = shlex.split(command)
    settings: dict[str, str] = {}
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, settings[name] = words.pop(0).partition("=")
    return words, settings


def within(program: Program) -> Callable[[str], Ran]:
    """Runs commands in this process."""

    def run(command: str) -> Ran:
        words, settings = parsed(command)
        return program(*words[1:], **settings) if words[0] == "iamledger" else program.shell(command)

    return run


def once_installed(program: Program) -> Callable[[str], Ran]:
    """Runs each command with the installed program when it first comes, and after that in this process."""
    seen: set[tuple[str, ...]] = set()

    def run(command: str) -> Ran:
        words, settings = parsed(command)
        path = max((path for path in COMMANDS if tuple(words[1 : len(path) + 1]) == path), key=len, default=())
        known = (*path, *settings) in seen
        seen.add((*path, *settings))
        return (within(program) if known and path else program.shell)(command)

    return run


@pytest.mark.parametrize("name", [name for name in TRANSCRIPTS if not name.startswith("db")])
def test_a_transcript_holds(name: str, program: Program) -> None:
    compare(name, program, within(program))


@pytest.mark.slow
@pytest.mark.skipif(WRITE, reason="the transcripts are being written")
@pytest.mark.parametrize("name", [name for name in TRANSCRIPTS if not name.startswith("db")])
def test_a_transcript_holds_for_the_installed_program(name: str, program: Program) -> None:
    compare(name, program, once_installed(program))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TRANSCRIPTS if name.startswith("db")])
def test_a_transcript_of_the_embedded_server_holds(name: str, embedded: Program) -> None:
    compare(name, embedded, embedded.shell)


# What the transcripts cover


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the program that does something, with its path."""
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from commands(command.get_command(None, name), *path, name)
    else:
        yield path, command


COMMANDS = dict(commands(typer.main.get_command(app)))
SHARED = {"account", "output", "as_of", "stale", "reason", "ticket", "request_id", "dry_run"}


def options(command: Any) -> dict[str, set[str]]:
    """The options of a command, and how each can be written."""
    return {p.name: {*p.opts, *p.secondary_opts} for p in command.params if p.param_type_name == "option"}


def used() -> dict[tuple[str, ...], set[str]]:
    """The words with which each command appears in the transcripts."""
    found: dict[tuple[str, ...], set[str]] = {}
    for name in TRANSCRIPTS:
        for block in blocks((FOLDER / f"{name}.txt").read_text()):
            words = shlex.split(block.command)
            if "iamledger" in words:
                words = words[words.index("iamledger") + 1 :]
                found.setdefault(path_of(words), set()).update(word.partition("=")[0] for word in words)
    return found


EVERYWHERE = {"help", "as_user"}
"""Options that test_permits.py and the program itself give to each command."""


def path_of(words: list[str]) -> tuple[str, ...]:
    """The command that words call, by its path."""
    paths = [tuple(words[:length]) for length in range(len(words), 0, -1)]
    return next((path for path in paths if path in COMMANDS), tuple(words[:1]))


def test_every_command_appears_in_a_transcript() -> None:
    assert set(COMMANDS) <= set(used())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_of_a_command_appears_with_it(path: tuple[str, ...]) -> None:
    """Those that commands share, with some command of the noun."""
    words = used()
    of_noun = set().union(*(used for other, used in words.items() if other[:1] == path[:1]))
    missing = [
        name
        for name, written in options(COMMANDS[path]).items()
        if name not in EVERYWHERE and not written & (of_noun if name in SHARED else words[path])
    ]
    assert not missing


@pytest.mark.parametrize("document", ["authorization", "simulate"])
def test_examples_in_documents_are_those_of_transcripts(document: str) -> None:
    """So that they show what is printed now; days and who did it stand there instead of placeholders."""
    lines = {_plain(line) for name in TRANSCRIPTS for line in (FOLDER / f"{name}.txt").read_text().splitlines()}
    text = (FOLDER.parents[2] / "docs" / f"{document}.md").read_text()
    shown = [line for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert shown
    assert [line for line in shown if line and _plain(line) not in lines] == []


def _plain(line: str) -> str:
    dated = re.sub(rf"{KINDS['Date']}(?!T), root", "<Date>, <Operator>", line)
    return re.sub(" {2,}", "  ", dated)


def test_no_secret_is_in_a_transcript() -> None:
    for name in TRANSCRIPTS:
        text = (FOLDER / f"{name}.txt").read_text()
        assert not re.search(KINDS["Secret"], text), name
        assert set(re.findall(KINDS["AccessKeyId"], text)) <= FIXED, name
    assert any("<Secret>" in (FOLDER / f"{name}.txt").read_text() for name in TRANSCRIPTS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    assert command.epilog.startswith("Example: ")
    assert f"iamledger {' '.join(path)}" in command.epilog or path == ("db", "url")
    for parameter in command.params:
        assert parameter.name == "help" or parameter.help, f"{parameter.name} is not explained"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_example_is_one_that_the_command_takes(path: tuple[str, ...]) -> None:
    example = COMMANDS[path].epilog.removeprefix("Example: ").replace("AKIA…", "AKIAIOSFODNN7EXAMPLE")
    words = shlex.split(re.sub(r'.*\$\((.*)\)" .*', r"\1", example))
    words = words[words.index("iamledger") + 1 :]
    assert path_of(words) == path
    with COMMANDS[path].make_context(" ".join(path), words[len(path) :]):
        pass  # parsed


def test_help_is_shown_for_every_command(program: Program) -> None:
    for path, command in COMMANDS.items():
        shown = program(*path, "--help")
        assert shown.status == 0
        assert shown.err == ""
        assert "Example: " in shown.out
        assert command.help.splitlines()[0].split(".")[0][:40] in re.sub(r"\s+", " ", shown.out)
