"""Projections of the user's own: files in the folders of IAMLEDGER_PROJECTIONS, beside those of the product."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import ACCOUNT, new_ledger
from iamledger.engine.declaration import InvalidProjection
from iamledger.engine.errors import ProjectionOutdated
from iamledger.engine.rebuild import rebuild
from iamledger.engine.view import open_view
from iamledger.iam.user import create_user, update_user
from iamledger.ledger import Ledger
from iamledger.read_models import PATH_VARIABLE, all_projections
from iamledger.store import Connection, Database
from iamledger_projections import projections

NAMES = '''
"""Every name that a user ever had."""

from iamledger.engine.declaration import POSITION, FromContext, Projection, put_row

SET = {"taken_at": POSITION, "group": FromContext("reason")}

projection = Projection(
    name="%s",
    key=["user_name"],
    columns={"user_id": "text", "taken_at": "bigint", "group": "text"},
    rules=[put_row("UserCreated", set=SET), put_row("UserRenamed", set=SET)],
)
'''

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Set IAMLEDGER_PROJECTIONS to these folders."""

    def to(*folders: Path) -> None:
        monkeypatch.setenv(PATH_VARIABLE, os.pathsep.join(map(str, folders)))
        all_projections.cache_clear()

    yield to
    all_projections.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, configure: Configure) -> Path:
    """A folder for projections, configured."""
    configure(tmp_path)
    return tmp_path


def test_without_a_folder_there_are_those_of_the_product(configure: Configure) -> None:
    configure()
    assert all_projections() == projections()


def test_files_are_found_in_every_folder(tmp_path: Path, configure: Configure) -> None:
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "names.py").write_text(NAMES % f"names_{number}")
        (tmp_path / str(number) / "notes.txt").write_text("not a projection")
    configure(tmp_path / "0", tmp_path / "1")
    assert list(all_projections()) == [*projections(), "names_0", "names_1"]
    assert all_projections()["names_1"].key == ["user_name"]


def test_a_missing_folder_is_named(tmp_path: Path, configure: Configure) -> None:
    configure(tmp_path / "not there")
    with pytest.raises(InvalidProjection, match=f"{PATH_VARIABLE}.*not there"):
        all_projections()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("projection = (", "SyntaxError"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        (NAMES % "Names", "InvalidProjection: projection 'Names'"),
        ((NAMES % "names").replace('"bigint"', '"int"'), "InvalidProjection: .*taken_at is of type 'int'"),
        ("", "must define `projection`"),
        ("projection = {'name': 'names'}", "must define `projection`"),
    ],
)
def test_a_broken_file_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "fine.py").write_text(NAMES % "fine")
    (folder / "names.py").write_text(text)
    with pytest.raises(InvalidProjection, match=f"{folder / 'names.py'}.*{message}"):
        all_projections()


@pytest.mark.parametrize("name", ["users", "names"])
def test_a_name_that_is_taken_is_refused(folder: Path, name: str) -> None:
    (folder / "names.py").write_text(NAMES % "names")
    (folder / "other.py").write_text(NAMES % name)
    with pytest.raises(InvalidProjection, match=f"{folder / 'other.py'}: there is another projection called {name}"):
        all_projections()


def test_it_is_read_as_of_any_position_and_rebuilt(folder: Path, database: Database, ledger: Ledger) -> None:
    file = folder / "names.py"
    file.write_text(NAMES % "names")
    projection = all_projections()["names"]
    ledger.execute(create_user, name="alice", path="/", tags=[])
    new_ledger(database, reason="marriage").execute(update_user, user="alice", new_name="bob")

    def names(connection: Connection, position: int | None = None) -> list[tuple[str, int, str | None]]:
        with open_view(connection, ACCOUNT, [all_projections()["names"]], position=position) as view:
            rows = view.rows('SELECT user_name, taken_at, "group" FROM {names} ORDER BY taken_at')
            return [tuple(row.values()) for row in rows]  # type: ignore[misc]

    expected = [("alice", 2, None), ("bob", 3, "marriage")]
    assert names(database.connection) == expected
    assert names(database.connection, 2) == expected[:1]
    assert rebuild(database.connection, projection).generation == 2
    assert names(database.connection) == expected

    file.write_text((NAMES % "names").replace('FromContext("reason")', '"people"'))
    all_projections.cache_clear()
    with pytest.raises(ProjectionOutdated):
        names(database.connection)
    rebuild(database.connection, all_projections()["names"])
    assert names(database.connection) == [("alice", 2, "people"), ("bob", 3, "people")]
