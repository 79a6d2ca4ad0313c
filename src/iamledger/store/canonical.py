"""Canonical JSON (RFC 8785), for the strict kind of JSON that the ledger stores.

Strict means what survives PostgreSQL's `jsonb` and RFC 8785 alike: no floats, integers below 2^53 in magnitude, object
keys in ASCII, no NUL and no lone surrogates in strings. For such values orjson's sorted output is the canonical form
(proved against the `rfc8785` package in the tests).
"""

from __future__ import annotations

from typing import Any

import orjson

Json = Any
"""A strict JSON value: None, bool, int, str, list or dict of them."""

MAX_INTEGER = 2**53 - 1


class NotStrictJson(ValueError):
    """The value cannot be stored: it would not survive `jsonb` or RFC 8785."""


def canonical(value: Json) -> bytes:
    """The canonical form, as UTF-8. Raises `NotStrictJson`, naming the place."""
    try:
        _check(value, "$")
        return canonical_of_strict(value)
    except (RecursionError, orjson.JSONEncodeError):  # orjson's limit is 254 levels
        raise NotStrictJson("the value is nested too deeply to be stored") from None


def canonical_of_strict(value: Json) -> bytes:
    """The canonical form of a value that is known to be strict, since it was stored."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def parse(text: str | bytes) -> Json:
    """Read JSON that was stored, or raise `NotStrictJson`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotStrictJson(str(error)) from None


def _check(value: Json, place: str) -> None:
    kind = type(value)
    if kind is str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise NotStrictJson(f"{place}: a lone surrogate cannot be stored") from None
        if "\0" in value:
            raise NotStrictJson(f"{place}: the character NUL cannot be stored")
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or "\0" in key:
                raise NotStrictJson(f"{place}: the key {key!r} is not an ASCII string")
            if not (type(item) is str and item.isascii() and "\0" not in item):  # most are, and a call takes longer
                _check(item, key)
    elif kind is list or kind is tuple:
        for item in value:
            if not (type(item) is str and item.isascii() and "\0" not in item):
                _check(item, place)
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotStrictJson(f"{place}: the integer {value} is beyond 2^53")
    elif value is not None and kind is not bool:
        raise NotStrictJson(f"{place}: a {kind.__name__} cannot be stored")
