"""Wildcards against the plainest definition, and the index of prefixes against a search through all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iamledger.policy.bounded_globs import matches_bounded
from iamledger.policy.globs import TRIES, Chunk, chunks, glob, matches
from iamledger.policy.patterns import Wildcard
from iamledger.policy.prefixes import Prefixes

PARTS = st.lists(st.sampled_from(["a", "b", "ab", "aab", ":", Wildcard.ANY, Wildcard.ONE]), max_size=8)
TEXTS = st.text("ab:", max_size=14)


def plainly(parts: list[str | Wildcard], text: str) -> bool:
    if not parts:
        return not text
    first, *rest = parts
    if first is Wildcard.ANY:
        return any(plainly(rest, text[n:]) for n in range(len(text) + 1))
    if first is Wildcard.ONE:
        return bool(text) and plainly(rest, text[1:])
    return text.startswith(first) and plainly(rest, text[len(first) :])


@given(parts=PARTS, text=TEXTS)
def test_globs(parts: list[str | Wildcard], text: str) -> None:
    wanted = plainly(parts, text)
    assert matches(chunks(parts), text) is wanted
    assert glob(parts)(text) is wanted
    assert matches_bounded([(part, True) for part in parts], text) is wanted


@given(parts=PARTS, text=TEXTS)
def test_globs_that_stop_at_colons(parts: list[str | Wildcard], text: str) -> None:
    without = [part for part in parts if part != ":"]
    wanted = ":" not in text and plainly(list(without), text)
    assert matches_bounded([(part, False) for part in without], text) is wanted


@given(
    pieces=st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=5).filter(any),
    text=st.text("ab", max_size=300).map(lambda text: "a" * 80 + text),
    start=st.integers(0, 10),
)
def test_the_scan_finds_what_the_search_finds(pieces: list[str | None], text: str, start: int) -> None:
    chunk = Chunk(len(pieces), tuple((n, piece) for n, piece in enumerate(pieces) if piece))
    end = len(text)
    wanted = next((at for at in range(start, end - chunk.length + 1) if chunk.fits(text, at)), -1)
    assert chunk.find(text, start, end) == chunk._scan(text, start, end) == wanted


def test_the_scan_takes_over() -> None:
    chunk = Chunk(3, ((0, "a"), (2, "b")))
    assert chunk.find("a" * (TRIES * 3) + "xb", 0, TRIES * 3 + 2) == TRIES * 3 - 1


@given(prefixes=st.sets(st.text("ab", max_size=6)), text=st.text("ab", max_size=8))
def test_prefixes(prefixes: set[str], text: str) -> None:
    held = Prefixes({prefix: prefix for prefix in prefixes})
    wanted = sorted((prefix for prefix in prefixes if text.startswith(prefix)), key=len, reverse=True)
    assert held.under(text) == wanted


def test_long_chains_of_prefixes_are_leapt_over() -> None:
    prefixes = Prefixes({"a" * n: n for n in range(5_000)})
    steps = 0
    node = prefixes.nodes[-1]
    while not "b".startswith(node.prefix):
        node = node.shorter if "b".startswith(node.leap.prefix) else node.leap  # type: ignore[assignment]
        steps += 1
    assert steps < 30
    assert prefixes.longest("a" * 1234 + "b").prefix == "a" * 1234
