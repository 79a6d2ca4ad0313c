"""YAML as a tree: what stands where, and that nothing in a text can do worse than be refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iamledger.yaml_files.tree import DEEPEST, InvalidYaml, Mapping, Node, Scalar, Sequence, parse


def plainly(node: Node | None) -> Any:
    """A tree without places, every scalar as its text."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plainly(element) for element in node.elements]
        case Mapping():
            return {plainly(key): plainly(value) for key, value in node.entries}
    return None


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _either_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With libyaml, and with the parser in Python that stands in for it where libyaml is missing."""
    monkeypatch.setattr("iamledger.yaml_files.tree._Loader", getattr(yaml, request.param))


both = pytest.mark.usefixtures("_either_loader")


@both
def test_every_node_knows_its_place() -> None:
    root = parse("a: 1\nb:\n  - x\n  - {c: 'y'}\n")
    assert isinstance(root, Mapping)
    (a, one), (b, listed) = root.entries
    assert isinstance(listed, Sequence)
    x, inner = listed.elements
    assert isinstance(inner, Mapping)
    ((c, y),) = inner.entries
    places = [node.place for node in (root, a, one, b, listed, x, inner, c, y)]
    assert places == [(1, 1), (1, 1), (1, 4), (2, 1), (3, 3), (3, 5), (4, 5), (4, 6), (4, 9)]


@both
@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "\ufeff"])
def test_nothing_is_no_tree(text: str) -> None:
    assert parse(text) is None


@both
@pytest.mark.parametrize(
    "text", ["no", "017", "0x1F", "1_000", "2026-11-24", "yes", "on", ".inf", "1e3", "=", "<<", "é", "😀"]
)
def test_a_scalar_is_the_text_that_stands_there(text: str) -> None:
    for written in (text, f"'{text}'", f'"{text}"'):
        root = parse(written)
        assert root == Scalar(text, written == text, (1, 1))
        assert not root.is_null


@both
@pytest.mark.parametrize("text", ["~", "null", "Null", "NULL", "---\n...\n"])
def test_what_is_null_is_so_only_without_quotes(text: str) -> None:
    root = parse(text)
    assert isinstance(root, Scalar)
    assert root.is_null
    for quoted in ("'null'", '"~"', "''", "|\n  null"):
        root = parse(quoted)
        assert isinstance(root, Scalar)
        assert not root.is_null


@both
@pytest.mark.parametrize(
    ("text", "what", "place"),
    [
        ("a: [}", "", (1, 5)),
        ("a: 'x", "", (1, 6)),
        ("a:\n\tb: c", "cannot start any token", (2, 1)),
        ("a: @b", "cannot start any token", (1, 4)),
        ("a: b: c", "", (1, 5)),
        ("- a\nb: c", "", (2, 1)),
        ("a: &x b", "anchors and aliases", (1, 4)),
        ("a:\n  b: *x", "anchors and aliases", (2, 6)),
        ("a: &x\n  b: c", "anchors and aliases", (1, 4)),
        ("&x a: b", "anchors and aliases", (1, 1)),
        ("a: !!str 1", "tag tag:yaml.org,2002:str", (1, 4)),
        ("a: !!python/object/apply:os.system [id]", "tag", (1, 4)),
        ("a: !x 1", "tag !x", (1, 4)),
        ("a: ! null", "tag !", (1, 4)),
        ("a: !!binary aGk=", "tag", (1, 4)),
        ("--- !!set {a, b}", "tag", (1, 5)),
        ("a: 1\n---\nb: 2", "a second document", (2, 1)),
        ("---\n---\n", "a second document", (2, 1)),
        ("a: \x01", "character '\\x01'", (1, 4)),
        ("a: b\n\x00", "character '\\x00'", (2, 1)),
        ("\n\na: 'x\x7f'", "character '\\x7f'", (3, 6)),
        ("a: \ud800", "character '\\ud800'", (1, 4)),
        ("# \ufffe", "character '\\ufffe'", (1, 3)),
        ("%YAML 3.0\n---\na", "", (1, 1)),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, what: str, place: tuple[int, int]) -> None:
    with pytest.raises(InvalidYaml) as wrong:
        parse(text)
    assert what in str(wrong.value)
    assert wrong.value.place == place


@pytest.mark.parametrize("deep", ["[", "{a: ", "- ", "? ", "[{a: [", "{[", "- - {a: "])
@pytest.mark.parametrize("times", [DEEPEST + 1, 3_000, 100_000])
def test_no_depth_ends_the_interpreter(deep: str, times: int) -> None:
    with pytest.raises(InvalidYaml):
        parse(deep * times + "a")


def test_what_is_just_deep_enough_is_read() -> None:
    assert plainly(parse("[" * DEEPEST + "a" + "]" * DEEPEST))
    with pytest.raises(InvalidYaml, match="nested more than 100 levels deep"):
        parse("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


def test_aliases_cannot_multiply() -> None:
    lines = ["a: &a [x, x]"] + [
        f"{two}: &{two} [*{one}, *{one}]" for one, two in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    with pytest.raises(InvalidYaml, match="anchors"):
        parse("\n".join(lines))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except InvalidYaml as wrong:
        assert wrong.place is None or min(wrong.place) >= 1


SYNTAX = st.lists(
    st.sampled_from(
        [*"[]{}:,-?&*!|>'\"%@`#~ab \n\t\r", "\n  ", ": ", "- ", "? ", "--- ", "\n---\n", "\n...\n", "!!str ", "&a ", "*a",
         "|\n ", ">-\n ", "\\", "\u2028", "\x85", "\ufeff", "\x00", "null", "<<: "]
    )
).map("".join)  # fmt: skip


@given(SYNTAX)
def test_any_syntax_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except InvalidYaml as wrong:
        assert wrong.place is not None
        assert min(wrong.place) >= 1


trees = st.recursive(
    st.text("abn01 :#-'\"\n\té😀", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc~ ", max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(trees, st.booleans())
def test_what_was_written_is_read(tree: Any, flow: bool) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True, default_flow_style=flow)
    assert plainly(parse(text)) == tree
