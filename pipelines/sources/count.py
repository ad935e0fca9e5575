"""Count the rows of a text file in plain Python: the number that Spark's rows are held against.

Nothing here is shared with the reader in Spark, so what that reader passes over, joins or cuts in
two is seen as a difference. A quote that is never closed swallows the rows after it without
changing either count (both readers follow RFC 4180); the marks that it leaves are looked for too.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pipelines.errors import ContractError
from schemas.contract import Source

MAX_LINE_BYTES = 2**20
# Univocity, Spark's parser, fails a whole job at its own limit of columns, 20480
MAX_FIELDS = 20_000
QUOTE = b'"'
_QUOTED = re.compile(r'"[^"]*"')
# with one or two columns a line of text can look like a row by chance
_MIN_COLUMNS = 3


def count_lines(chunks: Iterable[bytes]) -> int:
    r"""Count lines as Hadoop's LineReader cuts them: LF, CR or CRLF ends one.

    The last line may lack its end.

    >>> count_lines([b"a\r", b"\nb\rc"])
    3
    """
    ends, last = 0, b""
    for chunk in chunks:
        pairs = chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
        ends += chunk.count(b"\n") + chunk.count(b"\r") - pairs
        last = chunk[-1:] or last
    return ends + (last not in (b"", b"\n", b"\r"))


def count_records(title: str, stream: BinaryIO, source: Source) -> tuple[int, int]:
    """Count records by RFC 4180, header included: (all, those that are empty).

    Raises:
        ContractError: A quote is never closed, text follows a closing quote, a field is longer
            than ``MAX_LINE_BYTES``, a record has more than ``MAX_FIELDS`` fields, or each line
            of a record has as many fields as a row: a quote has swallowed rows.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    held: list[str] = []
    reader = csv.reader(_holding(text, held), delimiter=source.delimiter, strict=True)
    former = csv.field_size_limit(MAX_LINE_BYTES)
    num_all, num_empty = 0, 0
    try:
        for record in reader:
            num_all += 1
            num_empty += not record
            place = f"{title}: record {num_all}, which ends in line {reader.line_num}"
            _check_record(place, len(record), held, source)
            held.clear()
    except csv.Error as error:
        raise ContractError(
            f"{title}: expected quoted fields by RFC 4180; record {num_all + 1}, which ends in "
            f"line {reader.line_num}: {error}. A quote that is never closed would swallow all rows "
            "after it: correct the file"
        ) from None
    finally:
        csv.field_size_limit(former)
    return num_all, num_empty


def check_enclosed(title: str, chunks: Iterable[bytes], source: Source) -> None:
    """Refuse a file of one row a line in which whole lines lie inside one quoted cell.

    Such a line may look like a row of its own, and would be taken for one.

    Raises:
        ContractError: Names the first such lines.
    """
    mark = source.delimiter.encode()
    opened = 0
    for number, line in enumerate(_lines(chunks), start=1):
        if QUOTE not in line:
            continue
        text = line.rstrip(b"\r\n")
        is_inside = _ends_inside(text, mark, is_inside=True) if opened else None
        if is_inside is False and number > opened + 1:
            raise ContractError(
                f"{title}: expected each line to be a row; lines {opened} to {number} are one, "
                "with line ends inside a quoted cell. Set is_multiline=True in the contract of "
                f"source {source.name}, or correct the quotes"
            )
        if is_inside is None:
            # what seemed to open a cell was a quote by itself: that row is malformed, not these
            opened = number if _ends_inside(text, mark, is_inside=False) else 0
        elif not is_inside:
            opened = 0


def _check_record(place: str, num_fields: int, lines: list[str], source: Source) -> None:
    wanted = len(source.file_columns)
    if num_fields > MAX_FIELDS:
        raise ContractError(
            f"{place}: expected {wanted} fields; got {num_fields:,}. Correct the file"
        )
    if len(lines) == 1 or wanted < _MIN_COLUMNS:
        return
    mark = source.delimiter
    if all(_QUOTED.sub("", line).count(mark) == wanted - 1 for line in lines):
        raise ContractError(
            f"{place}: expected a quote that is closed in its row; each of the record's "
            f"{len(lines)} lines has {wanted} fields, as a row has: one opened in the first has "
            "swallowed the others. Correct the file"
        )


def _holding(text: Iterable[str], held: list[str]) -> Iterator[str]:
    for line in text:
        held.append(line)
        yield line


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        # its end may be half of one, or not there yet
        rest = lines.pop()
        yield from lines
    yield rest


def _ends_inside(line: bytes, mark: bytes, *, is_inside: bool) -> bool | None:
    """Say whether a line ends inside a quoted cell; None if that cell is not closed as it should.

    A closing quote stands before a delimiter or the line's end.
    """
    at = 0
    while True:
        if is_inside:
            at = line.find(QUOTE, at)
            if at < 0:
                return True
            if line.startswith(QUOTE, at + 1):
                at += 2
                continue
            at += 1
            if at < len(line) and not line.startswith(mark, at):
                return None
        if not is_inside and line.startswith(QUOTE, at):
            is_inside, at = True, at + 1
            continue
        at = line.find(mark, at)
        if at < 0:
            return False
        is_inside, at = False, at + len(mark)
