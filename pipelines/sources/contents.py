"""Read rows that are bytes in Spark: each task reads the stretches of files that it is given."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.errors import LedgerError
from pipelines.pictures import picture_fault
from pipelines.sources.entries import Entry, list_entries
from pipelines.sources.inspect_files import SourceFile
from pipelines.sources.text import CELLS, FILE, POSITION, RAW, read_records
from pipelines.spark.schema import local_frame
from schemas.contract import FILE_FIELDS, Source
from schemas.image import ImageShape
from schemas.paths import path_regex

CONTENTS = "_contents"
NUM_BYTES = "_num_bytes"
FAULT, FAULT_SAID = "_fault", "_fault_said"
BYTE_COLUMNS = (CONTENTS, NUM_BYTES, FAULT, FAULT_SAID)
_CONTENT, _DIGEST = "_content", "_sha256"
_ENTRY = (
    f"{RAW} string, {FILE} string, place string, begins long, num_bytes long, {POSITION} long, "
    "count int, is_whole boolean"
)
_READ = (
    f"{RAW} string, {FILE} string, {POSITION} long, {NUM_BYTES} long, {_DIGEST} string, "
    f"{FAULT} string, {FAULT_SAID} string, {_CONTENT} binary"
)
_SCHEMA = pa.schema(
    [(RAW, pa.string()), (FILE, pa.string()), (POSITION, pa.int64()), (NUM_BYTES, pa.int64()),
     (_DIGEST, pa.string()), (FAULT, pa.string()), (FAULT_SAID, pa.string()),
     (_CONTENT, pa.binary())]
)  # fmt: skip
_TASK_BYTES = 32 * 2**20
_BATCH_BYTES = 8 * 2**20


def read_source(spark: SparkSession, source: Source, files: Sequence[SourceFile]) -> DataFrame:
    """Give the rows of ``files``: lines of text as ``read_records``, else as ``read_contents``."""
    read = read_records if source.format == "csv" else read_contents
    return read(spark, source, files)


def read_contents(spark: SparkSession, source: Source, files: Sequence[SourceFile]) -> DataFrame:
    """Give a row for each file of a folder or an archive, or each record of ``files``.

    Returns:
        ``_raw`` (string: the path inside, or where a record begins), ``_cells`` (array of strings,
        one for each of ``source.text_columns``; null if path or length do not fit), ``_contents``
        (array of binary, one for each of ``source.content_columns``; null if too large),
        ``_num_bytes``, ``_fault`` and ``_fault_said`` (strings: why an image is none, as
        ``channels:picture``, and what came; null if it is one), ``_source_file`` and
        ``_source_position``, from 1 on.

    Raises:
        LedgerError: Another number of rows than ``files`` says.
    """
    rows: list[tuple[Any, ...]] = []
    for file in files:
        found = list(list_entries(source.name, Path(file.path), source))
        _check_count(source, file, sum(entry.count for entry in found))
        rows += [_row(file.name, entry) for entry in found]
    num_tasks = 1 + sum(file.num_bytes for file in files) // _TASK_BYTES
    index = local_frame(spark, rows, _ENTRY)
    spread = index.repartition(max(num_tasks, spark.sparkContext.defaultParallelism))
    read = spread.mapInArrow(_Reader(source.max_file_bytes, _images(source)), _READ)
    return _cut(read, source)


def _check_count(source: Source, file: SourceFile, came: int) -> None:
    if came != file.num_rows:
        raise LedgerError(
            f"source {source.name}: {file.path}: expected {file.num_rows} rows, as it had when it "
            f"was looked at; got {came}. Did it change meanwhile? Run ingest again"
        )


def _row(file: str, entry: Entry) -> tuple[Any, ...]:
    # a name may hold any bytes: what is no UTF-8 is shown so, and is malformed
    said = entry.path.encode(errors="surrogateescape").decode(errors="replace")
    return (
        said or f"from byte {entry.offset:,} on", file, entry.place, entry.offset, entry.num_bytes,
        entry.position, entry.count, entry.is_whole,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reader:
    """Read the stretches of one task; called in Spark's Python workers."""

    max_bytes: int
    images: tuple[tuple[str, slice, ImageShape], ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        made: list[tuple[Any, ...]] = []
        held = 0
        for batch in batches:
            for row in batch.to_pylist():
                for item in self._rows(row):
                    made.append(item)
                    held += len(item[-1] or b"")
                    if held > _BATCH_BYTES:
                        yield _batch(made)
                        made, held = [], 0
        if made:
            yield _batch(made)

    def _rows(self, row: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        size, count = row["num_bytes"], row["count"]
        if count == 1 and size > self.max_bytes:
            yield row[RAW], row[FILE], row[POSITION], size, None, None, None, None
            return
        content, length = _read(row), size // count
        for number in range(count):
            part = content[number * length : (number + 1) * length]
            digest = hashlib.sha256(part).hexdigest()
            raw = row[RAW] if count == 1 else f"from byte {row['begins'] + number * length:,} on"
            fault = self._fault(part)
            yield raw, row[FILE], row[POSITION] + number, length, digest, *fault, part

    def _fault(self, content: bytes) -> tuple[str | None, str | None]:
        for name, place, shape in self.images:
            if fault := picture_fault(content[place], shape):
                rule, _, said = fault.partition(": ")
                return f"{rule}:{name}", said
        return None, None


def _read(row: dict[str, Any]) -> bytes:
    with Path(row["place"]).open("rb") as file:
        is_same = not row["is_whole"] or os.fstat(file.fileno()).st_size == row["num_bytes"]
        file.seek(row["begins"])
        content = file.read(row["num_bytes"])
    if len(content) != row["num_bytes"] or not is_same:
        raise LedgerError(f"{row['place']} changed while it was read. Run ingest again")
    return content


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def _cut(read: DataFrame, source: Source) -> DataFrame:
    cells = _record_cells(source) if source.format == "records" else _file_cells(source)
    is_read = F.col(_CONTENT).isNotNull()
    contents = F.when(is_read, F.array(*_contents(source)))
    # an array of nothing has no type
    contents = contents if source.content_columns else F.lit(None).cast("array<binary>")
    return read.select(
        RAW,
        cells.alias(CELLS),
        contents.alias(CONTENTS),
        NUM_BYTES,
        FAULT,
        FAULT_SAID,
        FILE,
        POSITION,
    )


def _file_cells(source: Source) -> Column:
    regex, fields = path_regex(source.path_pattern)
    known = dict(
        zip(
            FILE_FIELDS, (F.col(RAW), F.col(NUM_BYTES).cast("string"), F.col(_DIGEST)), strict=False
        )
    )
    known |= {
        name: F.regexp_extract(F.col(RAW), regex, place + 1) for place, name in enumerate(fields)
    }
    cells = [known[column.file_name] for column in source.text_columns]
    made = F.array(*cells) if cells else F.lit(None).cast("array<string>")
    return F.when(F.rlike(F.col(RAW), F.lit(regex)), made)


def _spans(source: Source) -> dict[str, tuple[int, int]]:
    """Give where each column of a record begins, from 1 on, and how many bytes it has."""
    begins, spans = 1, {}
    for column, length in zip(source.file_columns, source.record_bytes, strict=True):
        spans[column.name] = (begins, length)
        begins += length
    return spans


def _images(source: Source) -> tuple[tuple[str, slice, ImageShape], ...]:
    """Give the images that a row holds: column, where its bytes are, what it must be."""
    spans = _spans(source) if source.format == "records" else {}
    found: list[tuple[str, slice, ImageShape]] = []
    for column in source.content_columns:
        if column.image:
            begins, length = spans.get(column.name, (1, None))
            end = None if length is None else begins - 1 + length
            found.append((column.name, slice(begins - 1, end), column.image))
    return tuple(found)


def _record_cells(source: Source) -> Column:
    spans = _spans(source)
    parts = [F.substring(_CONTENT, *spans[column.name]) for column in source.text_columns]
    cells = [F.conv(F.hex(part), 16, 10) for part in parts]
    made = F.array(*cells) if cells else F.array().cast("array<string>")
    return F.when(F.octet_length(_CONTENT) == sum(source.record_bytes), made)


def _contents(source: Source) -> list[Column]:
    if source.format == "files":
        return [F.col(_CONTENT) for _ in source.content_columns]
    spans = _spans(source)
    return [F.substring(_CONTENT, *spans[column.name]) for column in source.content_columns]
