"""Tables of a board file, read strictly: every key is known and there, every value of its type, finite and in range."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from firmware.errors import BoardFileError

LEAST = 5e-324  # the smallest float above 0: 'more than 0'
_SHOWN = 60  # characters of a wrong value in a message


def shown(value: object) -> str:
    """Return a value as messages show it: one short line."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = f"a number of {type(value).__name__} that is too long to show"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class Table:
    """One table. `where` is its name in the file, empty for the whole file. Methods raise BoardFileError."""

    def __init__(self, found: object, where: str, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Refuse what is no table, unknown keys, and needed ones that are missing."""
        self.where = where
        if not isinstance(found, dict):
            raise BoardFileError(f"{where} = {shown(found)}; write it as a table [{where}]")
        self._found: Mapping[str, Any] = found
        known = (*needed, *optional)
        for key in found:
            if key not in known:
                close = get_close_matches(key, known, 1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                raise BoardFileError(f"{self.name(key)}: no such key; {hint}")
        for key in needed:
            if key not in found:
                raise BoardFileError(f"{self.name(key)} is missing; give it")

    def __contains__(self, key: str) -> bool:
        """Return whether a key is there."""
        return key in self._found

    def name(self, key: str) -> str:
        """Return a key as messages name it."""
        return f"{self.where}.{key}" if self.where else key

    def raw(self, key: str) -> Any:
        """Return a value of any type."""
        return self._found[key]

    def table(self, key: str, needed: Sequence[str], optional: Sequence[str] = ()) -> "Table":
        """Return a table within."""
        return Table(self.raw(key), self.name(key), needed, optional)

    def tables(self, key: str, needed: Sequence[str], optional: Sequence[str] = ()) -> list["Table"]:
        """Return the tables of [[key]]."""
        found = self.raw(key)
        if not isinstance(found, list) or not found:
            raise BoardFileError(f"{self.name(key)} = {shown(found)}; write each one as a table [[{self.name(key)}]]")
        return [Table(item, f"{self.name(key)}[{n}]", needed, optional) for n, item in enumerate(found)]

    def text(self, key: str) -> str:
        """Return a text that is not empty."""
        return _text(self.raw(key), self.name(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(_text(item, f"{self.name(key)}[{n}]") for n, item in enumerate(self._list(key)))

    def choice(self, key: str, options: Sequence[str]) -> str:
        """Return one of some texts."""
        return _one_of(self.raw(key), self.name(key), options)

    def choices(self, key: str, options: Sequence[str]) -> tuple[str, ...]:
        """Return a list of some texts, each once."""
        found = tuple(_one_of(item, f"{self.name(key)}[{n}]", options) for n, item in enumerate(self._list(key)))
        if len(set(found)) < len(found):
            raise BoardFileError(f"{self.name(key)} = {shown(list(found))} names one twice; name each once")
        return found

    def flag(self, key: str) -> bool:
        """Return true or false."""
        found = self.raw(key)
        if not isinstance(found, bool):
            raise BoardFileError(f"{self.name(key)} = {shown(found)}; give true or false")
        return found

    def whole(self, key: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        return _whole(self.raw(key), self.name(key), low, high)

    def wholes(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """Return a list of whole numbers within bounds."""
        return tuple(_whole(item, f"{self.name(key)}[{n}]", low, high) for n, item in enumerate(self._list(key)))

    def number(self, key: str, low: float = LEAST, high: float = math.inf) -> float:
        """Return a finite number within bounds; default: any above 0."""
        return _number(self.raw(key), self.name(key), low, high)

    def numbers(self, key: str, low: float = LEAST, high: float = math.inf) -> tuple[float, ...]:
        """Return a list of finite numbers within bounds; default: any above 0."""
        return tuple(_number(item, f"{self.name(key)}[{n}]", low, high) for n, item in enumerate(self._list(key)))

    def is_list(self, key: str) -> bool:
        """Return whether a value is a list, for keys that take one or a single value."""
        return isinstance(self.raw(key), list)

    def _list(self, key: str) -> list[Any]:
        found = self.raw(key)
        if not isinstance(found, list) or not found:
            raise BoardFileError(f"{self.name(key)} = {shown(found)}; give a list")
        return found


def _text(found: object, where: str) -> str:
    if not isinstance(found, str) or not found.strip():
        raise BoardFileError(f"{where} = {shown(found)}; give a text")
    return found.strip()


def _one_of(found: object, where: str, options: Sequence[str]) -> str:
    if not isinstance(found, str) or found not in options:
        raise BoardFileError(f"{where} = {shown(found)}; give {' or '.join(map(repr, options))}")
    return found


def _whole(found: object, where: str, low: int, high: int) -> int:
    if type(found) is not int or not low <= found <= high:
        raise BoardFileError(f"{where} = {shown(found)}; give a whole number from {low} to {high}")
    return found


def _number(found: object, where: str, low: float, high: float) -> float:
    if type(found) in (int, float):
        try:
            value = float(found)  # type: ignore[arg-type]
        except OverflowError:
            value = math.inf
        if math.isfinite(value) and low <= value <= high:
            return value
    raise BoardFileError(f"{where} = {shown(found)}; give a finite number{_bounds(low, high)}")


def _bounds(low: float, high: float) -> str:
    if low == LEAST:
        return " above 0" if math.isinf(high) else f" above 0, at most {high:g}"
    if math.isinf(low):
        return ""
    return f" of at least {low:g}" if math.isinf(high) else f" from {low:g} to {high:g}"
