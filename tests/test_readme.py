"""The README's commands are run, and give the output that it shows, but for ids, times and hashes."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Urls

ROOT = Path(__file__).parent.parent
VARIABLE = re.compile(
    r"(?P<id>A(?:IDA|GPA|NPA)[A-Z2-7]{17}|AKIA[A-Z2-7]{16})|\d{4}-\d\d-\d\dT[\d:.]+Z|(?!2012)\d{4}-\d\d-\d\d(?!T)"
    r"|(?P<root>[A-Za-z0-9+/]{43}=)",
    re.ASCII,
)


def console() -> list[tuple[str, str]]:
    """The commands of the README's console blocks, each with its output."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    steps = [step.partition("\n") for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
    return [(command, output.rstrip("\n")) for command, _, output in steps]


@pytest.mark.slow
def test_the_readme_is_true(new_database: Callable[[], Urls], tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "IAMLEDGER_HOME": str(tmp_path),
        "IAMLEDGER_DATABASE_URL": new_database().application,
        "IAMLEDGER_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    }
    ids: dict[str, str] = {}
    steps = console()
    assert len(steps) > 20
    for command, expected in steps:
        if command.startswith("cat "):  # a file that the reader has
            (tmp_path / command.removeprefix("cat ")).write_text(expected + "\n")
        for shown, real in ids.items():
            command = command.replace(shown, real)
        done = subprocess.run(
            shlex.split(command), env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        printed = (done.stdout + done.stderr).rstrip("\n")
        ids |= _matched(_spaced(expected), _spaced(_by_root(printed)), ids)


def _by_root(printed: str) -> str:
    """As if root had run it, as in the README: the operator's name stands in a column of its own."""
    operator = re.escape(pwd.getpwuid(os.getuid()).pw_name)
    return re.sub(rf"(?:(?<=  )|(?<=By=)|(?<=\d, )){operator}(?=  |: |$)", "root", printed, flags=re.MULTILINE)


def _spaced(text: str) -> str:
    """Columns are as wide as what they hold, which is other names and times elsewhere."""
    return re.sub(" {2,}", "  ", text)


def _matched(expected: str, printed: str, ids: dict[str, str]) -> dict[str, str]:
    """Hold what was printed against what the README shows; returns the ids that stand for the README's."""
    pattern, names, last = "", [], 0
    for found in VARIABLE.finditer(expected):
        pattern += re.escape(expected[last : found.start()])
        shown = found["id"]
        if shown is None:
            pattern += VARIABLE.pattern.replace("(?P<id>", "(?:").replace("(?P<root>", "(?:").join(["(?:", ")"])
        elif shown in ids:
            pattern += re.escape(ids[shown])
        else:
            names.append(shown)
            pattern += f"({shown[:4]}[A-Z2-7]{{{len(shown) - 4}}})"
        last = found.end()
    pattern += re.escape(expected[last:])
    match = re.fullmatch(pattern, printed)
    assert match is not None, f"the README shows\n{expected}\n\nbut this was printed:\n{printed}"
    return dict(zip(names, match.groups(), strict=True))
