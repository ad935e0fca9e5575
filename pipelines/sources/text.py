"""Read text files in Spark as raw records with their place, whatever they hold.

A row's place is its line number in its file, the header's being 1: it does not depend on how Spark
cuts files into tasks. Spark gives rows a number that grows within each task
(``monotonically_increasing_id``) and the start of the block each came from; one cheap pass, which
parses nothing, counts the rows of each block, and the two make the line number.
"""

from collections.abc import Sequence
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F

from pipelines.errors import LedgerError
from pipelines.sources.count import MAX_FIELDS, MAX_LINE_BYTES
from pipelines.sources.inspect_files import SourceFile
from pipelines.spark.schema import local_frame
from schemas.contract import Source
from schemas.derive import LINEAGE_NAMES

RAW = "_raw"
CELLS = "_cells"
FILE, POSITION = LINEAGE_NAMES
_CODE = "_file_code"  # the file's name as Spark gives it: percent-encoded
_BLOCK = "_block"
_ID = "_id"
_SHIFT = "_shift"
_CORRUPT = "_corrupt"
_PARSED = "_parsed"
_FIRST_LINE = 1


def read_records(spark: SparkSession, source: Source, files: Sequence[SourceFile]) -> DataFrame:
    """Give every row of ``files`` but the headers, cut into text cells where it can be.

    Returns:
        ``_raw`` (string), ``_cells`` (array of strings, one for each column of the contract; null
        if their number differs or the row is too long), ``_source_file`` and ``_source_position``
        (line number; number of the record where ``source.is_multiline``; a header has 1).

    Raises:
        LedgerError: Spark sees another number of rows in a file than ``files`` says.
    """
    paths = [_escaped(file.path) for file in files]
    rows = (
        _read_multiline(spark, source, paths)
        if source.is_multiline
        else _read_lines(spark, source, paths)
    )
    placed = _place(spark, rows, source, files)
    if source.is_multiline:
        return placed
    # steps of their own, or Spark parses the line again for each use of what it gave
    quoted = placed.withColumn(_PARSED, _parse_quoted(F.col(RAW), source))
    cut = quoted.withColumn(CELLS, _cells(F.col(RAW), source)).drop(_PARSED)
    is_whole = F.size(CELLS) == len(source.file_columns)
    return cut.withColumn(CELLS, F.when(is_whole, F.col(CELLS)))


def _reader(spark: SparkSession) -> DataFrameReader:
    # a session may be told to read half of a damaged file, or none of a missing one, without a word
    return spark.read.options(ignoreCorruptFiles=False, ignoreMissingFiles=False)


def _read_lines(spark: SparkSession, source: Source, paths: list[str]) -> DataFrame:
    line = F.col("value")
    if source.encoding == "latin-1":
        # what was mended by hand is UTF-8 in any case
        latin = F.decode(line.cast("binary"), "ISO-8859-1")
        line = F.when(F.is_valid_utf8(line), line).otherwise(latin)
    return _reader(spark).text(paths).select(line.alias(RAW), *_place_columns())


def _read_multiline(spark: SparkSession, source: Source, paths: list[str]) -> DataFrame:
    reader = _reader(spark).schema(_schema(source)).options(**_options(source))
    rows = reader.option("multiLine", True).option("encoding", "UTF-8").csv(paths)
    cells = F.array(*[_text(F.col(f"`{column.name}`")) for column in source.file_columns])
    # as the source would write it: what is mended comes back as such text
    shape = {"sep": source.delimiter, "escape": '"', "emptyValue": "", "nullValue": ""}
    shape |= {"ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}
    again = F.to_csv(F.struct(*[f"`{column.name}`" for column in source.file_columns]), shape)
    return rows.select(
        F.coalesce(F.col(_CORRUPT), again).alias(RAW),
        F.when(F.col(_CORRUPT).isNull(), cells).alias(CELLS),
        *_place_columns(),
    )


def _place_columns() -> list[Column]:
    return [
        F.col("_metadata.file_name").alias(_CODE),
        F.col("_metadata.file_block_start").alias(_BLOCK),
        F.monotonically_increasing_id().alias(_ID),
    ]


def _place(
    spark: SparkSession, rows: DataFrame, source: Source, files: Sequence[SourceFile]
) -> DataFrame:
    counts = rows.groupBy(_CODE, _BLOCK).agg(
        F.count(F.lit(1)).alias("n"), F.min(_ID).alias("first")
    )
    shifts: list[tuple[str, int, str, int]] = []
    seen: dict[str, int] = {}
    for row in sorted(counts.collect()):
        name = unquote(row[_CODE])
        before = seen.get(name, 0)
        shifts.append((row[_CODE], row[_BLOCK], name, _FIRST_LINE + before - row["first"]))
        seen[name] = before + row["n"]
    _check_counts(source, files, seen)
    schema = f"{_CODE} string, {_BLOCK} long, {FILE} string, {_SHIFT} long"
    known = F.broadcast(local_frame(spark, shifts, schema))
    placed = rows.join(known, on=[_CODE, _BLOCK], how="inner")
    placed = placed.withColumn(POSITION, F.col(_ID) + F.col(_SHIFT))
    is_row = F.col(POSITION) >= _FIRST_LINE + source.num_header_lines
    return placed.where(is_row).drop(_CODE, _BLOCK, _ID, _SHIFT)


def _check_counts(source: Source, files: Sequence[SourceFile], seen: dict[str, int]) -> None:
    for file in files:
        expected = file.num_rows - file.num_skipped
        came = seen.get(file.name, 0) - source.num_header_lines
        if came != expected:
            raise LedgerError(
                f"source {source.name}: {file.path}: expected {expected} rows by counting lines; "
                f"Spark read {came}. Did the file change meanwhile? Run ingest again; if it stays, "
                "the file has quotes or line ends that the two read differently"
            )


def _parse_quoted(line: Column, source: Source) -> Column:
    mark = source.delimiter
    num_delimiters = F.length(line) - F.length(F.replace(line, F.lit(mark), F.lit("")))
    is_fit = F.contains(line, F.lit('"')) & (F.octet_length(line) <= MAX_LINE_BYTES)
    is_fit = is_fit & (num_delimiters <= MAX_FIELDS * len(mark))
    return F.from_csv(F.when(is_fit, line), _schema(source), _options(source))


def _cells(line: Column, source: Source) -> Column:
    """Cut one line: a plain split where there is no quote, which is most lines and cheap."""
    mark = source.delimiter
    # a regular expression, but for one plain character Java takes a quick road
    pattern = mark if len(mark) == 1 and mark not in ".$|()[{^?*+\\" else f"\\Q{mark}\\E"
    plain = F.when(F.octet_length(line) <= MAX_LINE_BYTES, F.split(line, pattern, -1))
    if not source.has_quotes:
        return plain
    parsed = F.col(_PARSED)
    quoted = F.array(*[_text(parsed.getField(column.name)) for column in source.file_columns])
    is_whole = parsed.isNotNull() & parsed.getField(_CORRUPT).isNull()
    return F.when(F.contains(line, F.lit('"')), F.when(is_whole, quoted)).otherwise(plain)


def _text(cell: Column) -> Column:
    # Spark reads an empty cell as null; whether it is one is for the contract to say
    return F.coalesce(cell, F.lit(""))


def _schema(source: Source) -> str:
    return (
        ", ".join(f"`{column.name}` string" for column in source.file_columns)
        + f", {_CORRUPT} string"
    )


def _options(source: Source) -> dict[str, str]:
    return {
        "sep": source.delimiter,
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": _CORRUPT,
        # RFC 4180: a quote inside quotes is doubled; Spark's default is a backslash
        "escape": '"',
        # by default Spark's parser takes NUL for this and drops it in cells in quotes; no text has
        # this code point (Unicode 23.7, noncharacters)
        "charToEscapeQuoteEscaping": "\ufffe",
        # no text of a contract: null is decided later, and an empty cell stays one
        "nullValue": "\u0001",
        "emptyValue": "",
        "header": "false",
        "maxCharsPerColumn": "-1",
    }


def _escaped(path: str) -> str:
    """Keep Hadoop from reading a path as a glob pattern."""
    return "".join(f"\\{mark}" if mark in "*?[]{}\\" else mark for mark in path)
