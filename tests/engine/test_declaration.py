"""Declarations: what is refused, when rows count as outdated, and that the product's own name what there is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from conftest import ACCOUNT, MASTER_KEY, OPERATOR
from engine.histories import lamps, sockets
from iamledger.engine.compile import Table
from iamledger.engine.declaration import (
    POSITION,
    RECORDED_AT,
    Field,
    FromContext,
    InvalidProjection,
    Projection,
    Rule,
    close_row,
    open_row,
    put_row,
    revise_row,
)
from iamledger.iam.events import event_types
from iamledger.ledger import Circumstances, Ledger
from iamledger.store import Database
from iamledger_projections import projections

OPENED = open_row("LampHung")


def declared(**changes: Any) -> Projection:
    """A projection that is valid, but for the changes."""
    given = {"name": "lamps", "key": ["lamp"], "columns": {"color": "text", "watts": "bigint"}, "rules": [OPENED]}
    return Projection(**{**given, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Lamps"},
        {"name": ""},
        {"name": "1lamp"},
        {"name": "l" * 42},
        {"name": "lamps; DROP TABLE iamledger.events"},
        {"key": []},
        {"key": "lamp"},
        {"key": ["Lamp"]},
        {"key": ["lamp", "lamp"]},
        {"key": ["color"]},
        {"key": ["account_id"]},
        {"columns": {"since": "text"}},
        {"columns": {"until": "bigint"}},
        {"columns": {'c"': "text"}},
        {"columns": {"_position": "text"}},
        {"columns": {"color": "varchar"}},
        {"columns": {"color": "text); DROP TABLE iamledger.events; --"}},
        {"rules": []},
        {"rules": [revise_row("LampPainted", "colour")]},
        {"rules": [revise_row("LampPainted", set={"colour": "red"})]},
        {"rules": [open_row("LampHung", set={"lamp": "the key takes a field of the event"})]},
        {"rules": [open_row("LampHung", key={"color": "lamp"})]},
        {"rules": [close_row("LampBroken", key={"light": "lamp"})]},
        {"rules": [open_row("LampHung", key={"lamp": RECORDED_AT})]},
        {"rules": [open_row("LampHung", key={"lamp": 7})]},
        {"rules": [open_row("LampHung", set={"watts": 1.5})]},
        {"rules": [open_row("LampHung", set={"color": ["red"]})]},
        {"personal": ["lamp"]},
        {"personal": ["shape"]},
    ],
    ids=repr,
)
def test_a_declaration_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidProjection, match="projection "):
        declared(**changes)


def test_an_error_names_what_the_projection_does_not_have() -> None:
    with pytest.raises(InvalidProjection, match="'lamps': the rule for LampPainted names colour, hue"):
        declared(rules=[revise_row("LampPainted", "hue", set={"colour": "red"})])


def test_words_of_sql_may_be_names() -> None:
    words = ["user", "group", "order", "select", "position", "op", "doc", "end"]
    assert declared(key=words[:4], columns=dict.fromkeys(words[4:], "text")).name == "lamps"


# The digest

VARIANTS: list[Callable[[], Projection]] = [
    declared,
    lambda: declared(key=["bulb"], rules=[open_row("LampHung", key={"bulb": "lamp"})]),
    lambda: declared(key=["lamp", "room"]),
    lambda: declared(columns={"color": "text", "watts": "text"}),
    lambda: declared(columns={"color": "text", "volts": "bigint"}),
    lambda: declared(columns={"color": "text", "watts": "bigint", "volts": "bigint"}),
    lambda: declared(columns={"watts": "bigint", "color": "text"}),
    lambda: declared(personal=["color"]),
    lambda: declared(rules=[put_row("LampHung")]),
    lambda: declared(rules=[open_row("LampBought")]),
    lambda: declared(rules=[open_row("LampHung", key={"lamp": "bulb"})]),
    lambda: declared(rules=[open_row("LampHung", key={"lamp": POSITION})]),
    lambda: declared(rules=[open_row("LampHung", key={"lamp": repr(POSITION)})]),
    *(
        lambda source=source: declared(rules=[open_row("LampHung", set={"color": source})])
        for source in ("", "red", "Field(name='red')", Field("red"), FromContext("red"), RECORDED_AT, POSITION, None)
    ),
    *(
        lambda source=source: declared(rules=[open_row("LampHung", set={"watts": source})])
        for source in (1, True, "1", 0, False, None)
    ),
    lambda: declared(rules=[OPENED, close_row("LampBroken")]),
    lambda: declared(rules=[OPENED, close_row("LampBroken", key={"lamp": "bulb"})]),
    lambda: declared(rules=[OPENED, revise_row("LampPainted")]),
    lambda: declared(rules=[OPENED, revise_row("LampPainted", "color")]),
    lambda: declared(rules=[OPENED, revise_row("LampPainted", "color", "watts")]),
    lambda: declared(rules=[OPENED, revise_row("LampPainted", set={"color": None})]),
]


def test_any_change_of_a_declaration_changes_its_digest() -> None:
    digests = [variant().digest() for variant in VARIANTS]
    assert len(set(digests)) == len(digests)


def test_the_same_declaration_has_the_same_digest() -> None:
    for variant in VARIANTS:
        assert variant().digest() == variant().digest()
    one = declared(rules=[open_row("LampHung", set={"color": "red", "watts": 5})])
    other = declared(rules=[open_row("LampHung", set={"watts": 5, "color": "red"})], description="Lamps that hang")
    assert one.digest() == other.digest(), "what is told in another order, or only described, makes the same rows"


def test_the_digest_does_not_depend_on_the_process() -> None:
    program = "from engine.histories import lamps, sockets; print(lamps.digest(), sockets.digest())"
    tests = Path(__file__).parents[1]
    path = [str(tests), *(str(tests.parent / root) for root in ("src", "projections"))]
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(path), "PYTHONHASHSEED": "42"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == [lamps.digest(), sockets.digest()]


# The statement


def test_texts_are_quoted_for_a_statement_with_parameters() -> None:
    projection = declared(
        rules=[open_row("100% 'lamp'", key={"lamp": "it's"}, set={"color": "%s", "watts": FromContext("%(x)s")})]
    )
    statement = Table(projection, 7).apply("e.account_id = %(account)s")
    assert "'%s'" in statement % dict.fromkeys(["account", "after", "upto"], "0")
    assert "'it''s'" in statement
    assert "'100%% ''lamp'''" in statement


# The product's own


def rules() -> list[Any]:
    return [
        pytest.param(projection, rule, id=f"{projection.name}-{rule.event}")
        for projection in projections().values()
        for rule in projection.rules
    ]


@pytest.mark.parametrize(("projection", "rule"), rules())
def test_a_rule_names_events_and_fields_that_exist(projection: Projection, rule: Rule) -> None:
    fields = event_types()[rule.event].model_fields
    for name in projection.key_fields(rule):
        if not isinstance(name, str):
            continue
        assert fields[name].is_required()
        assert type(None) not in get_args(fields[name].annotation), f"{name} can be empty"
        assert fields[name].annotation is str
        assert name not in event_types()[rule.event].personal_fields(), "a key that was erased could not be found"
    named = {*rule.columns, *(column for column, source in rule.set.items() if isinstance(source, Field))}
    for column, source in projection.sources(rule).items():
        if isinstance(source, Field):
            assert source.name in fields or column not in named, f"{rule.event} has no field {source.name}"
            if source.name in event_types()[rule.event].personal_fields():
                assert column in projection.personal, f"{column} takes a personal value"


@pytest.mark.parametrize(("projection", "rule"), rules())
def test_a_rule_names_context_that_is_recorded(projection: Projection, rule: Rule) -> None:
    circumstances = Circumstances(OPERATOR, reason="r", ticket="T-1", source_address="192.0.2.1")
    ledger = Ledger(Database("unused"), ACCOUNT, circumstances, master_key=lambda: MASTER_KEY)
    told = ledger._context("a request").entries
    for source in projection.sources(rule).values():
        if isinstance(source, FromContext):
            assert source.name in told


@pytest.mark.parametrize("name", sorted(projections()))
def test_a_projection_of_the_product(name: str) -> None:
    projection = projections()[name]
    assert projection.name == name
    assert projection.description
    assert any(rule.kind in ("open", "put") for rule in projection.rules), "nothing would ever be in it"
    assert set(projection.events()) <= set(event_types())
    for column in projection.columns:
        assert any(
            column in rule.set
            or (column in projection.sources(rule) and column in event_types()[rule.event].model_fields)
            for rule in projection.rules
        ), f"no event ever fills {column}"


def test_no_two_rules_of_a_projection_are_for_the_same_row_of_an_event() -> None:
    """The second would always find a row that the event touched already."""
    for projection in projections().values():
        touched = [(rule.event, *projection.key_fields(rule)) for rule in projection.rules]
        assert len(set(touched)) == len(touched)
