"""The file in which rows leave the quarantine and come back mended: one JSON object a line."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from pipelines.errors import ParameterError
from pipelines.sources.replays import DISCARDED, REPLAYED, Replay, Settled, text_digest
from schemas.contract import Source

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class MendedRow:
    """One row that was set aside: what and where it is, and its text, to be mended.

    ``raw`` is the row as its source would write it (null if it is not shown), ``was`` the digest of
    what it was. A reason in ``discard`` gives the row up.
    """

    source: str
    stage: str
    rule: str
    detail: str | None
    file: str
    digest: str
    position: int
    was: str
    raw: str | None
    discard: str = ""

    @property
    def is_mended(self) -> bool:
        """Whether its text is another than before."""
        return self.raw is not None and text_digest(self.raw) != self.was


def write_export(path: Path, rows: Sequence[MendedRow]) -> None:
    """Write ``rows`` to a new file that its owner alone can read.

    Raises:
        ParameterError: There is a file already, which may hold somebody's work, or no folder.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise ParameterError(
            f"--export: expected a new file; {error}. Give another name"
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")


def read_mended(path: Path) -> list[MendedRow]:
    """Read a file that ``write_export`` made and somebody edited.

    Raises:
        ParameterError: It is not there, or a line is no such row; names the line.
    """
    try:
        lines = path.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"--rows: {path}: expected a file that --export wrote; {error}"
        ) from error
    rows: list[MendedRow] = []
    places: set[tuple[str, str, int]] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _read_row(line)
        except (TypeError, ValueError, RecursionError) as error:
            raise ParameterError(
                f"--rows: {path} line {number}: expected a row that --export wrote; {error}. "
                "Change only raw, or give a reason in discard"
            ) from error
        place = (row.source, row.file, row.position)
        if place in places:
            raise ParameterError(
                f"--rows: {path} line {number}: {row.file} line {row.position} comes twice"
            )
        places.add(place)
        rows.append(row)
    return rows


def check_text(row: MendedRow, source: Source) -> str:
    """Give the mended text of ``row`` if it is one row of ``source``, good or bad.

    Raises:
        ParameterError: It is none, or several.
    """
    text, place = row.raw or "", f"--rows: {row.file} line {row.position}"
    if source.format != "csv":
        raise ParameterError(
            f"{place}: expected a reason in discard: a row of {source.name} is bytes, no text to "
            "be mended. Or put good files in place of bad ones, and run ingest again"
        )
    if not text.strip():
        raise ParameterError(
            f"{place}: expected a row; raw is empty. Give it up by discard instead"
        )
    if "\0" in text or (not source.is_multiline and {*text} & {*"\r\n"}):
        raise ParameterError(f"{place}: expected one line of text in raw; got {text[:80]!r}")
    try:
        text.encode()
        num_rows = _count_rows(text, source) if source.is_multiline else 1
    except (UnicodeEncodeError, csv.Error) as error:
        raise ParameterError(f"{place}: expected one row in raw; {error}") from error
    if num_rows != 1:
        raise ParameterError(f"{place}: expected one row in raw; got {num_rows}")
    return text


def _count_rows(text: str, source: Source) -> int:
    lines = io.StringIO(text, newline="")
    return sum(1 for _ in csv.reader(lines, delimiter=source.delimiter, strict=True))


def settle_rows(
    rows: Iterable[MendedRow],
    source: Source,
    replays: Iterable[Replay],
    is_open: Mapping[tuple[str, str, int], Mapping[str, Any]],
) -> list[tuple[Settled, str]]:
    """Give the rows that are settled now and their text, less those that were settled so before.

    Args:
        rows: Rows of one source that were mended or discarded.
        source: Its contract.
        replays: Its replays so far.
        is_open: Stage and rule of its open rows by file, digest of the file and position.

    Raises:
        ParameterError: A row is not open, was settled otherwise before, or its text is no row.
    """
    known = {(s.file, s.digest, s.position): (replay, s) for replay in replays for s in replay.rows}
    made: list[tuple[Settled, str]] = []
    for row in rows:
        text = "" if row.discard else check_text(row, source)
        status, said = (DISCARDED, "") if row.discard else (REPLAYED, text_digest(text))
        place = (row.file, row.digest, row.position)
        if place in known:
            _check_same(*known[place], said, row.discard)
            continue
        held = is_open.get(place)
        if held is None or (held["stage"], held["rule"]) != (row.stage, row.rule):
            raise ParameterError(
                f"--rows: expected open rows of the quarantine; {row.file} line {row.position} of "
                f"{source.name} is not there with {row.rule} at {row.stage}. Export again"
            )
        settled = Settled(*place, row.stage, row.rule, status, None, said, row.discard)
        made.append((settled, text))
    return made


def _check_same(replay: Replay, known: Settled, text: str, note: str) -> None:
    if (known.text, known.note) == (text, note):
        return
    where = f" as {replay.name} line {known.mended_position}" if known.mended_position else ""
    raise ParameterError(
        f"--rows: {known.file} line {known.position} is {known.status} already{where}, "
        f"{replay.settled_at}, in another way. Export again: what is open can be mended"
    )


def render_row(raw: str, source: Source) -> str:
    """Give a typed row, as JSON, in the text that its source would write; bytes have none."""
    if source.format != "csv":
        return raw
    cells: dict[str, Any] = json.loads(raw, parse_float=str, parse_int=str)
    return source.delimiter.join(
        _render_cell(cells.get(c.name), source) for c in source.file_columns
    )


def _render_cell(value: object, source: Source) -> str:
    if value is None:
        return "" if "" in source.null_values else next(iter(source.null_values), "")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    is_plain = not {*'"\r\n'} & {*text} and source.delimiter not in text
    return text if is_plain or not source.has_quotes else '"' + text.replace('"', '""') + '"'


def _read_row(line: str) -> MendedRow:
    value = json.loads(line, object_pairs_hook=_once, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise TypeError(f"got {type(value).__name__}")
    row = MendedRow(**cast("Mapping[str, Any]", value))
    for item in fields(row):
        found = getattr(row, item.name)
        is_open = item.name in ("raw", "detail") and found is None
        wanted = int if item.name == "position" else str
        if type(found) is not wanted and not is_open:
            raise TypeError(f"{item.name} is {found!r}")
    if row.discard and row.is_mended:
        raise ValueError("raw was changed and discard given: which of the two is meant?")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the keys {twice} come twice")
    return value


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number in JSON")
