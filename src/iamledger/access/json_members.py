"""The members of a JSON object, and the elements of an array, as the texts that stand there. A key may not be repeated."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\n\r]*")


class NotJson(ValueError):
    """A text is not the JSON that was expected. The message says why."""


def members(text: str) -> dict[str, str]:
    """The text of each member of an object. Raises NotJson."""
    found: dict[str, str] = {}
    at = _space(text, 0)
    if text[at : at + 1] != "{":
        raise NotJson("it is no JSON object")
    at = _space(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            at = _after(text, at, ",")
        key, at = _decode(text, at)
        if not isinstance(key, str):
            raise NotJson(f"a key is expected at character {at + 1}")
        if key in found:
            raise NotJson(f"the member {key!a} stands there twice")
        start = _after(text, at, ":")
        _, end = _decode(text, start)
        found[key] = text[start:end]
        at = _space(text, end)
    _expect_end(text, at + 1)
    return found


def elements(text: str) -> list[str]:
    """The text of each element of an array. Raises NotJson."""
    found: list[str] = []
    if text[:1] != "[":
        raise NotJson("it is no array")
    at = _space(text, 1)
    while text[at : at + 1] != "]":
        if found:
            at = _after(text, at, ",")
        _, end = _decode(text, at)
        found.append(text[at:end])
        at = _space(text, end)
    _expect_end(text, at + 1)
    return found


def value(text: str) -> Any:
    """A value, its numbers as exact decimals. Raises NotJson, for repeated keys as well."""
    try:
        return _STRICT.decode(text)
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except JSONDecodeError as error:
        raise NotJson(f"it is no JSON: {error.msg} at character {error.pos + 1}") from None


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _LOOSE.raw_decode(text, at)
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except JSONDecodeError as error:
        raise NotJson(f"it is no JSON: {error.msg} at character {error.pos + 1}") from None


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _after(text: str, at: int, wanted: str) -> int:
    at = _space(text, at)
    if text[at : at + 1] != wanted:
        raise NotJson(f"it is no JSON: {wanted} is expected at character {at + 1}")
    return _space(text, at + 1)


def _expect_end(text: str, at: int) -> None:
    if _space(text, at) != len(text):
        raise NotJson(f"it is no JSON: more follows at character {at + 1}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise NotJson(f"the key {next(key for key in keys if keys.count(key) > 1)!a} stands there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise NotJson(f"{text} is no JSON")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise NotJson("a number is too large or too small to be read") from None


_LOOSE = JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_number)
_STRICT = JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_no_number, object_pairs_hook=_once)
