"""What holds for every policy document, and for every text."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamledger.policy import LONGEST, Kind, PolicyDocument, PolicyError, parse, size
from iamledger.policy.problems import MOST
from policy.documents import documents

VALID = st.sampled_from(
    [
        (vector["document"], Kind(vector["kind"]))
        for file in sorted((Path(__file__).parents[1] / "vectors" / "policy" / "grammar").glob("*.json"))
        for vector in json.loads(file.read_text("utf-8"))
        if not vector["problems"]
    ]
)
PIECES = st.sampled_from(
    [
        *'{}[]:,"\\ *?$\n01\u00e9\u20ac\x00',
        *("${", "}", "null", '""', "[]", "{}", "Not", "IfExists", "arn:", "s 3:Get", "Allow", '"Principal":"*",'),
    ]
)


def refusal(text: str, kind: Kind) -> PolicyError | None:
    """The refusal of a text, or None; anything else that may be raised is a mistake."""
    try:
        document = parse(text, kind)
    except PolicyError as refused:
        return refused
    assert isinstance(document, PolicyDocument)
    return None


def assert_told_well(refused: PolicyError, text: str) -> None:
    lines = re.split("\r\n|\r|\n", text)
    assert 0 < len(refused.problems) <= MOST
    assert [(p.line, p.column) for p in refused.problems] == sorted((p.line, p.column) for p in refused.problems)
    for problem in refused.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message.isprintable()
        assert (problem.advice or "a").isprintable()
    assert str(refused).isascii()


@given(made=documents())
@settings(max_examples=40)
def test_valid_documents_are_understood(made: tuple[str, Kind]) -> None:
    text, kind = made
    document = parse(text, kind)
    written = json.loads(text)["Statement"]
    written = written if isinstance(written, list) else [written]
    assert document.kind is kind
    for statement, source in zip(document.statements, written, strict=True):
        assert statement.effect == source["Effect"]
        assert statement.sid == source.get("Sid")
        for name, patterns in (
            *(("Action", statement.action), ("NotAction", statement.not_action)),
            *(("Resource", statement.resource), ("NotResource", statement.not_resource)),
        ):
            texts = source.get(name, [])
            assert [pattern.text for pattern in patterns] == ([texts] if isinstance(texts, str) else texts)
        assert bool(statement.principal) == ("Principal" in source)
        assert bool(statement.not_principal) == ("NotPrincipal" in source)
        keys = [(op, key) for op, keys in source.get("Condition", {}).items() for key in keys]
        assert [(str(condition.operator), condition.key) for condition in statement.conditions] == keys
        assert all(len(condition.values) == len(condition.operands) for condition in statement.conditions)


@given(made=documents())
@settings(max_examples=40)
def test_layout_does_not_matter(made: tuple[str, Kind]) -> None:
    text, kind = made
    compact = json.dumps(json.loads(text), separators=(",", ":"))
    assert parse(text, kind) == parse(compact, kind)
    assert hash(parse(text, kind)) == hash(parse(compact, kind))


@given(made=VALID, at=st.floats(0, 1), removed=st.integers(0, 4), piece=st.just("") | PIECES)
def test_a_mutation_is_read_or_refused_with_a_place(
    made: tuple[str, Kind], at: float, removed: int, piece: str
) -> None:
    text, kind = made
    where = int(at * len(text))
    mutated = text[:where] + piece + text[where + removed :]
    if refused := refusal(mutated, kind):
        assert_told_well(refused, mutated)


@given(made=VALID, kind=st.sampled_from(Kind))
def test_a_document_of_another_kind_is_read_or_refused_with_a_place(made: tuple[str, Kind], kind: Kind) -> None:
    if refused := refusal(made[0], kind):
        assert_told_well(refused, made[0])


@given(text=st.text(max_size=30), kind=st.sampled_from(Kind))
def test_any_text_is_refused_with_a_place(text: str, kind: Kind) -> None:
    refused = refusal(text, kind)
    assert refused is not None
    assert_told_well(refused, text)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Version", "Id", "Statement", "Sid", "Effect", "Action", "Condition", "Principal", "x"]
                )
                | st.sampled_from(["NotAction", "Resource", "StringLike", "Null", "AWS", "aws:x", "2012-10-17"]),
                inner,
                max_size=4,
            )
        ),
    ),
    kind=st.sampled_from(Kind),
)
def test_any_json_is_refused_with_a_place(value: object, kind: Kind) -> None:
    text = json.dumps(value)
    if refused := refusal(text, kind):
        assert_told_well(refused, text)


@given(text=st.text(" \t\r\na{}\u00e9"))
def test_white_space_has_no_size(text: str) -> None:
    assert size(text) == len(re.sub("[ \t\r\n]", "", text))


def _document(statement: str) -> str:
    return '{"Version":"2012-10-17","Statement":' + statement + "}"


def _long(before: str, piece: str, after: str) -> str:
    whole = _document(before + after)
    return _document(before + piece * ((LONGEST - len(whole)) // len(piece)) + after)


_START = '{"Effect":"Allow","Action":"*","Resource":"*"'
HUGE = {
    "unclosed arrays": "[" * LONGEST,
    "unclosed objects": '{"a":' * (LONGEST // 5),
    "an unclosed string": '"' + "a" * (LONGEST - 1),
    "an unclosed string of escapes": '"' + "\\n" * (LONGEST // 2 - 1),
    "white space": " " * LONGEST,
    "lines": "\n" * LONGEST,
    "digits": "1" * LONGEST,
    "forbidden characters": "".join(map(chr, range(0x100, 0x100 + LONGEST)))[:LONGEST],
    "empty statements": _document("[" + "{}," * 40_000 + "{}]"),
    "unknown operators": _long(_START + ',"Condition":{', '"StringEqualz":{"aws:a":"b"},', '"Bool":{}}}'),
    "repeated keys": _long("{", '"Sid":"a",', '"Effect":"Allow"}'),
    "an unknown element of a long name": _long('{"', "a", '":1}'),
    "many under a key of a long name": _document('{"' + "k" * 60_000 + '":[' + "[null]," * 9_000 + "1]}"),
    "wildcards": _long('{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::', "*?", '"}'),
    "dollars": _long('{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::', "$", '"}'),
    "variables": _long('{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::', "${aws:a}", '"}'),
    "an unclosed variable": _long('{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:', "a:", '"}'),
    "an unclosed default": _long('{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:a, ', "'", '"}'),
    "colons in a resource": _long('{"Effect":"Allow","Action":"*","Resource":"arn', ":", '"}'),
    "wildcards in a partition": _long('{"Effect":"Allow","Action":"*","Resource":"arn:', "*a", ':s3:::x"}'),
    "a vendor": _long('{"Effect":"Allow","Resource":"*","Action":"', "a-", '"}'),
    "a key": _long(_START + ',"Condition":{"Bool":{"', "a.", '":true}}}'),
    "a number": _long(_START + ',"Condition":{"NumericEquals":{"aws:x":', "1", "}}}"),
    "an address": _long(_START + ',"Condition":{"IpAddress":{"aws:x":"', "1:", '"}}}'),
    "base64": _long(_START + ',"Condition":{"BinaryEquals":{"aws:x":"', "QUJD", '"}}}'),
    "a fraction of a second": _long(_START + ',"Condition":{"DateEquals":{"aws:x":"2026-01-01T00:00:00.', "9", 'Z"}}}'),
    "resources": _long('{"Effect":"Allow","Action":"*","Resource":[', '"arn:aws:s3:::b/*",', '"*"]}'),
    "a principal's path": _long(_START + ',"Principal":{"AWS":"arn:aws:iam::123456789012:user/', "a/", '"}}'),
    "a service's name": _long(_START + ',"Principal":{"Service":"', "a.", '"}}'),
    "far too long": "{" * 3_000_000,
}


@pytest.mark.parametrize("kind", [Kind.IDENTITY, Kind.RESOURCE], ids=str)
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HUGE.items()])
def test_huge_texts_are_read_or_refused_quickly(text: str, kind: Kind) -> None:
    started = time.process_time()
    refused = refusal(text, kind)
    if refused:
        assert len(str(refused)) < 100_000
        assert_told_well(refused, text[: LONGEST + 1])
    assert time.process_time() - started < 2
