"""Habits that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("projections/**/*.py")])
VAGUE = {"manager", "service", "helper", "helpers", "util", "utils", "base", "common"}


def _imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }


def test_of_the_eventsourcing_library_only_the_contract_is_imported() -> None:
    imported = {name for file in SOURCES for name in _imports(file) if name.startswith("eventsourcing")}
    assert imported == {"eventsourcing.dcb.api", "eventsourcing.persistence"}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text()))


def test_no_module_or_class_has_a_vague_name() -> None:
    """A service alone is IAM's own word for what actions are of."""
    names = [file.stem for file in SOURCES]
    for file in SOURCES:
        names += [node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    words = {word.lower() for name in names if name.lower() != "service" for word in re.findall(r"[A-Z]?[a-z]+", name)}
    assert not words & VAGUE


def test_public_functions_and_classes_have_docstrings() -> None:
    bare = []
    for file in SOURCES:
        module = ast.parse(file.read_text())
        classes = [node for node in module.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for node in [*module.body, *(inner for outer in classes for inner in outer.body)]:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and node.name not in OVERRIDES and ast.get_docstring(node) is None:
                bare.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert bare == []


OVERRIDES = {
    *("evolve", "fold", "gone", "ended", "check_reference", "belongs_to", "resource_arn", "arn_of"),
    *("list_commands", "get_command", "parse_args", "get_params"),
    *("read", "append", "subscribe", "head"),
}
"""Methods whose docstring is that of what they override."""


@pytest.mark.parametrize(
    "file", sorted((ROOT / "src/iamledger/store/sql/migrations").glob("*.sql")), ids=lambda f: f.name
)
def test_every_sql_file_begins_by_saying_what_it_does(file: Path) -> None:
    assert file.read_text().startswith("-- ")


def test_the_links_of_the_documents_lead_somewhere() -> None:
    dead = []
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                dead.append(f"{document.relative_to(ROOT)}: {target}")
    assert dead == []
