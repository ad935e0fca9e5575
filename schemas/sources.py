"""Hold the sources of a contract to themselves: names, types, keys and bounds that can be meant."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from schemas.contract import (
    CONTENT,
    FILE_FIELDS,
    SPLIT_COLUMN,
    Column,
    ColumnType,
    DatasetSpec,
    Source,
)
from schemas.image import bad_image
from schemas.paths import bad_pattern, path_fields
from schemas.published import bad_files, bad_locations

# a name becomes part of SQL, of a path and of a Delta table; those that begin with _ are scratch
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_UNFIT_IN_DELIMITER = '"\r\n\\\0'
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2})?", re.ASCII)


def bad_sources(spec: DatasetSpec) -> Iterator[str]:
    """Say what is wrong with the sources of ``spec``, one phrase for each mistake.

    There is one source at least. Names are made of letters, digits and ``_``, a letter first; no
    two names of a list differ in case only. A primary key is there and can't be null: rows without
    a key could not be told apart. A delimiter is text that can be seen in a line, one character of
    it where cells may hold line ends.
    """
    if not spec.sources:
        yield "it needs a source"
        return
    yield from _bad_names("sources", [source.name for source in spec.sources])
    yield from bad_files(spec.name, spec.files, spec.origin)
    made = [*spec.main.long_columns, *(item.column for item in spec.derived)]
    names = [*(column.name for column in made), spec.label.name, SPLIT_COLUMN]
    yield from _bad_names("columns of the main source", names)
    yield from _bad_unpivot(spec)
    for source in spec.sources:
        names = [column.name for column in source.columns]
        if source is not spec.main:
            yield from _bad_names(f"columns of {source.name}", names)
        yield from _bad_keys(source)
        yield from _bad_content_key(source)
        yield from _bad_format(source)
        wrong = (*_bad_images(source), *_bad_bytes(source))
        yield from (f"source {source.name}: {said}" for said in wrong)
        files = [file.name for file in spec.files]
        yield from bad_locations(spec.name, source.locations, files)
    for column in [column for source in spec.sources for column in source.columns]:
        yield from _bad_column(column)
        if column.type == "array<int>":
            yield f"column {column.name}: a cell of a file is one value, not {column.type}"
    for item in spec.derived:
        yield from _bad_column(item.column)
        if item.column.earliest or item.column.latest:
            yield f"{item.column.name} is derived and has a bound: only cells of a file keep one"


def _bad_names(what: str, names: Sequence[str]) -> Iterator[str]:
    unfit = [name for name in names if not _NAME.fullmatch(name)]
    if unfit:
        yield f"{what}: expected letters, digits and _, a letter first; got {unfit}"
    lower = [name.lower() for name in names]
    twice = [name for name in names if lower.count(name.lower()) > 1]
    if twice:
        yield f"{what}: names come twice: {twice}"


def _bad_keys(source: Source) -> Iterator[str]:
    columns = {column.name: column for column in source.columns}
    missing = {*source.primary_key, *source.version_by} - set(columns)
    missing |= {source.time} - set(columns) if source.time else set()
    if missing:
        yield f"source {source.name} lacks its own columns {sorted(missing)}"
    if not source.primary_key:
        yield f"source {source.name} needs a primary key"
    keys = [columns[name] for name in source.primary_key if name in columns]
    nullable = [column.name for column in keys if column.is_nullable]
    if nullable:
        yield f"source {source.name}: its key {nullable} may be null; expected is_nullable=False"


def _bad_content_key(source: Source) -> Iterator[str]:
    named = [column for column in source.columns if column.name == source.content_key]
    if source.content_key and [(c.type, c.is_nullable) for c in named] != [("string", False)]:
        yield (
            f"source {source.name}: expected its content_key {source.content_key!r} among the "
            "columns, a string that is never null"
        )
    headers = [column.file_name for column in source.file_columns]
    if twice := sorted({name for name in headers if headers.count(name) > 1}):
        yield f"source {source.name}: names in the header come twice: {twice}"
    if not source.file_columns:
        yield f"source {source.name} needs a column"


def _bad_unpivot(spec: DatasetSpec) -> Iterator[str]:
    if named := [source.name for source in spec.sources[1:] if source.unpivot]:
        yield f"sources {named}: only the main source can be unpivoted"
    source, wanted = spec.main, spec.main.unpivot
    if wanted is None:
        return
    found = [column for column in source.columns if column.name in wanted.columns]
    kept = {*source.primary_key, *source.version_by, source.time, source.content_key}
    if len(found) < len(wanted.columns) or not found or kept & {*wanted.columns}:
        yield f"source {source.name}: unpivot expects columns that are there and no key or time"
    if kinds := {column.type for column in found} - {wanted.value.type}:
        yield f"source {source.name}: unpivot expects {wanted.value.type}s; got {sorted(kinds)}"
    if wanted.name.type != "string" or wanted.name.is_nullable or not wanted.value.is_nullable:
        yield f"source {source.name}: unpivot needs a string name and a value that may be null"


def _bad_format(source: Source) -> Iterator[str]:
    mark = source.delimiter
    if not mark or set(mark) & set(_UNFIT_IN_DELIMITER):
        yield f"source {source.name}: expected a delimiter like ',' or ';'; got {mark!r}"
    if source.is_multiline and len(mark) > 1:
        yield f"source {source.name}: is_multiline takes a delimiter of one character; got {mark!r}"
    if source.is_multiline and not (source.has_quotes and source.encoding == "utf-8"):
        yield f"source {source.name}: is_multiline takes cells in quotes, in UTF-8"
    if not 0 <= source.max_malformed_share <= 1:
        yield (
            f"source {source.name}: expected max_malformed_share from 0 to 1; "
            f"got {source.max_malformed_share}"
        )


def _bad_bytes(source: Source) -> Iterator[str]:
    """Say what is wrong with a source whose rows are bytes, or with words of one in another."""
    if source.format != "files" and source.path_pattern:
        yield "a path_pattern is for the format files"
    if (source.format == "records") != bool(source.record_bytes):
        yield "record_bytes is for the format records, which needs it"
    if source.format == "csv":
        if source.content_columns:
            yield f"no cell is binary; got {[column.name for column in source.content_columns]}"
        return
    if source.format == "files":
        yield from _bad_paths(source)
    elif (
        len(source.record_bytes) != len(source.file_columns)
        or min(source.record_bytes, default=0) < 1
    ):
        yield f"expected record_bytes, 1 or more, for each column; got {source.record_bytes}"
    else:
        yield from _bad_record(source)


def _bad_record(source: Source) -> Iterator[str]:
    pairs = zip(source.file_columns, source.record_bytes, strict=True)
    most = {"int": 3, "long": 7}
    wrong = [c.name for c, n in pairs if c.type != "binary" and n > most.get(c.type, 0)]
    if wrong:
        yield f"expected binary, int of 3 bytes or long of 7 at most; {wrong} are others"


def _bad_images(source: Source) -> Iterator[str]:
    for column in source.columns:
        if column.image and (column.type != "binary" or column not in source.content_columns):
            yield f"expected the image {column.name} as binary, in the format files or records"
        elif column.image:
            yield from bad_image(column.name, column.image)


def _bad_paths(source: Source) -> Iterator[str]:
    if said := bad_pattern(source.path_pattern):
        yield f"path_pattern: {said}"
    known = (*FILE_FIELDS, *path_fields(source.path_pattern))
    named = [column.file_name for column in source.file_columns]
    if unknown := [name for name in named if name not in known]:
        yield f"expected columns named, by their header, as one of {list(known)}; got {unknown}"
    for column in source.file_columns:
        is_content = column.file_name == CONTENT
        if column.type == "binary" and not is_content:
            yield f"{column.name} is binary; expected that of {CONTENT!r} alone"
        if is_content and column.type not in ("binary", "string"):
            yield f"expected {column.name}, a content, as binary or string; got {column.type}"
    if source.max_file_bytes < 1:
        yield f"expected max_file_bytes of 1 or more; got {source.max_file_bytes}"


def _bad_column(column: Column) -> Iterator[str]:
    bounds = [text for text in (column.earliest, column.latest) if text]
    if bounds and column.type not in ("date", "timestamp"):
        yield f"column {column.name}: earliest and latest bound dates and times only"
        return
    times = [_time(text, column.type) for text in bounds]
    known = [time for time in times if time]
    if len(known) < len(times):
        yield f"column {column.name}: expected bounds like '2013-01-31'; got {bounds}"
    elif known and known != sorted(set(known)):
        yield f"column {column.name}: expected earliest < latest; got {bounds}"


def _time(text: str, kind: ColumnType) -> datetime | None:
    if not (_DATE if kind == "date" else _TIME).fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
