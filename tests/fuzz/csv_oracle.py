"""What must become of each row of a file of rides, in plain Python, for the fuzz of ingest.

Written from the contract's words, not from the reader: where the two differ, one of them is wrong.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from schemas.contract import Source
from tests.pipelines.sources.rides import COLUMNS, source

SOURCE = source(
    columns=tuple(
        replace(item, earliest="1900-01-01", latest="2100-01-01")
        if item.type in ("date", "timestamp")
        else item
        for item in COLUMNS
    ),
    max_malformed_share=1.0,
)
NULLS = ("NA", "")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,6})?(.*)"
)
_OFFSET = re.compile(r"Z|[+-](0[0-9]|1[0-7]):[0-5][0-9]|[+-]18:00")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_BOUNDS = (date(1900, 1, 1), date(2100, 1, 1))


class Fate(NamedTuple):
    """``kept``, ``blank`` or a rule; and the row's values if it is kept."""

    word: str
    values: tuple[Any, ...] = ()


def line_fates(content: bytes, said: Source = SOURCE) -> dict[int, Fate]:
    """Give the fate of each line of a file by its number, the header's being 1."""
    lines = re.split(rb"\r\n|\r|\n", content)
    if not lines[-1]:
        lines.pop()
    return {n: _line_fate(line, said) for n, line in enumerate(lines, start=1) if n > 1}


def record_fates(content: bytes, said: Source) -> dict[int, Fate]:
    """Give the fate of each record that is not empty by its number, the header's being 1."""
    text = content.decode("utf-8-sig", errors="replace")
    if text.partition("\n")[0].endswith("\r"):
        text = text.replace("\r\n", "\n")  # in cells too: what ends the file's lines is one sign
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=said.delimiter, strict=True)
    records = [record for record in reader if record]
    return {n: _record_fate(cells) for n, cells in enumerate(records, start=1) if n > 1}


def _line_fate(line: bytes, said: Source) -> Fate:
    text = line.decode(errors="replace")
    if not text.strip(" "):
        return Fate("blank")
    rule = _text_rule(text)
    if rule:
        return Fate(rule)
    if text.count('"') % 2:
        return Fate("unbalanced_quote")
    mark, stand_in = said.delimiter, "\x1f"
    try:
        # csv takes a delimiter of one character; a control character is in no text that comes here
        cells = next(csv.reader([text.replace(mark, stand_in)], delimiter=stand_in, strict=True))
    except csv.Error:
        return Fate("stray_quote")
    return _cells_fate([cell.replace(stand_in, mark) for cell in cells])


def _record_fate(cells: list[str]) -> Fate:
    if len(cells) == 1 and not cells[0].strip(" "):
        return Fate("blank")
    return Fate(rule) if (rule := _text_rule("".join(cells))) else _cells_fate(cells)


def _text_rule(text: str) -> str:
    if "\ufffd" in text:
        return "encoding"
    return "control_character" if _CONTROL.search(text) else ""


def _cells_fate(cells: list[str]) -> Fate:
    if len(cells) != len(COLUMNS):
        return Fate("field_count")
    values: list[Any] = []
    for cell, column in zip(cells, COLUMNS, strict=True):
        bare = cell.strip(" ")
        if bare in NULLS:
            if not column.is_nullable:
                return Fate(f"null:{column.name}")
            values.append(None)
            continue
        value = cell if column.type == "string" else _READERS[column.type](bare)
        if isinstance(value, _Rule):
            return Fate(f"{value.rule}:{column.name}")
        values.append(value)
    return Fate("kept", tuple(values))


class _Rule(NamedTuple):
    rule: str


_TYPE = _Rule("type")


def _whole(bits: int) -> Any:
    def read(cell: str) -> Any:
        text = cell.strip("\t\r\n ")
        value = int(text) if _WHOLE.fullmatch(text) else None
        is_fit = value is not None and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)
        return value if is_fit else _TYPE

    return read


def _double(cell: str) -> Any:
    text = cell.strip("\t\r\n ")
    if _NOT_FINITE.fullmatch(text):
        return _Rule("not_finite")
    if not _NUMBER.fullmatch(text):
        return _TYPE
    return float(text) if math.isfinite(float(text)) else _Rule("not_finite")


def _day(text: str) -> Any:
    if text.startswith("0000-"):
        # the year 0 is a leap year to ISO 8601; Python begins at 1
        is_day = isinstance(_day(f"2000{text[4:]}"), date)
        return _Rule("out_of_range") if is_day else _TYPE
    try:
        value = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        value = None
    if value is None:
        return _TYPE
    return value if _BOUNDS[0] <= value < _BOUNDS[1] else _Rule("out_of_range")


def _moment(text: str) -> Any:
    found = _TIME.fullmatch(text)
    if not found:
        return _TYPE
    if not found[4]:
        return _Rule("timezone")
    if not _OFFSET.fullmatch(found[4]):
        return _TYPE
    try:
        value = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}{found[4]}")
        value = value.astimezone(UTC)
    except (ValueError, OverflowError):
        return _TYPE
    return value if _BOUNDS[0] <= value.date() < _BOUNDS[1] else _Rule("out_of_range")


_READERS: dict[str, Any] = {
    "int": _whole(32),
    "long": _whole(64),
    "double": _double,
    "date": _day,
    "timestamp": _moment,
}


def differences(wanted: dict[int, Fate], came: dict[int, Fate]) -> Iterator[str]:
    """Say where two accounts of one file differ."""
    for place in sorted(wanted.keys() | came.keys()):
        if wanted.get(place) != came.get(place):
            yield f"row {place}: expected {wanted.get(place)}; got {came.get(place)}"
