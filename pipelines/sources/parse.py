"""Parse text cells against a contract: a typed row, or one reason why it can't be one.

The reason is the first thing that fails, in this order: the whole row (length, encoding, control
characters, quotes, number of fields), then each column in the contract's order. Reasons are short
and stable; what exactly came is in the detail.
"""

from functools import reduce

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.sources.contents import BYTE_COLUMNS, CONTENTS
from pipelines.sources.count import MAX_LINE_BYTES
from pipelines.sources.parse_bytes import bytes_details, bytes_reason, typed_content
from pipelines.sources.text import CELLS, FILE, POSITION, RAW
from pipelines.step import FATE
from schemas.contract import Column, Source

KEPT = "kept"
BLANK = "filtered:blank"
QUARANTINED = "quarantined:"
_CONTROL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
_REPLACEMENT = "\ufffd"
REASON = "_reason"
_CELL = "_cell_"
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_OFFSET = r"(Z|[+-]\d{2}:\d{2})$"
_SHOWN_CHARS = 40
_RAW_CHARS = 1_000
_KEY_DIGITS = 32
_SQL_TYPES = {"long": "bigint"}


def parse_records(records: DataFrame, source: Source) -> DataFrame:
    """Type the cells of ``records`` and give each row its fate.

    Times are ISO 8601 with seconds, and Z or an offset. Numbers, dates and times are taken without
    the blanks around them; texts stay as they came. A cell equal to one of
    ``source.null_values``, blanks aside, is null.

    Args:
        records: As ``pipelines.sources.contents.read_source`` gives them.
        source: Contract of the source.

    Returns:
        The contract's columns, the lineage columns, ``_raw``, ``_cells`` and ``_fate``: ``kept``,
        ``filtered:blank`` or ``quarantined:`` and a reason, such as ``type:dep_delay``. Rows and
        their order are those of ``records``.
    """
    columns, contents = source.text_columns, source.content_columns
    cells = [
        _cell(F.get(F.col(CELLS), F.lit(i)), column, source).alias(f"{_CELL}{i}")
        for i, column in enumerate(columns)
    ]
    bytes_too = () if source.format == "csv" else BYTE_COLUMNS
    cut = records.select(RAW, CELLS, FILE, POSITION, *bytes_too, *cells)
    typed = cut.select(
        "*",
        *[_typed(F.col(f"{_CELL}{i}"), c).alias(c.name) for i, c in enumerate(columns)],
        *[typed_content(i, column).alias(column.name) for i, column in enumerate(contents)],
        *([_content_key(source).alias(source.content_key)] if source.content_key else []),
    )
    reasons = [_row_reason(source) if source.format == "csv" else bytes_reason(source)]
    reasons += [_column_reason(F.col(f"{_CELL}{i}"), c) for i, c in enumerate(columns)]
    is_blank = F.trim(F.col(RAW)) == ""
    fate = F.coalesce(F.when(is_blank, BLANK), *reasons, F.lit(KEPT))
    names = [F.col(f"`{column.name}`") for column in source.columns]
    return typed.select(*names, FILE, POSITION, RAW, CELLS, *bytes_too, fate.alias(FATE))


def explain(marked: DataFrame, source: Source) -> DataFrame:
    """Give each quarantined row of ``marked`` its reason: what was expected and what came.

    Returns:
        ``marked`` with the struct column ``_reason`` in place of ``_raw`` and ``_cells``, null but
        for quarantined rows. Cells of personal columns are not in its ``detail``.
    """
    rule = F.substring(F.col(FATE), len(QUARANTINED) + 1, 1_000)
    shown = F.when(rule == "too_long", F.substring(F.col(RAW), 1, _RAW_CHARS)).otherwise(F.col(RAW))
    reason = F.struct(
        rule.alias("rule"),
        _detail(rule, source).alias("detail"),
        F.make_valid_utf8(shown).alias("raw"),
    )
    is_quarantined = F.startswith(F.col(FATE), F.lit(QUARANTINED))
    return marked.withColumn(REASON, F.when(is_quarantined, reason)).drop(RAW, CELLS, *BYTE_COLUMNS)


def _content_key(source: Source) -> Expression:
    # a row with a control character among its cells is malformed, so none can look like two
    said = F.concat_ws("\x1f", F.col(FILE), F.array_join(F.col(CELLS), "\x1f"))
    if source.content_columns:
        contents = F.array_join(F.transform(F.col(CONTENTS), F.hex), "\x1f")
        said = F.concat_ws("\x1f", said, contents)
    return F.left(F.sha2(said, 256), F.lit(_KEY_DIGITS))


def _cell(text: Expression, column: Column, source: Source) -> Expression:
    bare = F.trim(text)
    is_null = bare.isin(*source.null_values) if source.null_values else F.lit(False)
    return F.when(~is_null, text if column.type == "string" else bare)


def _typed(cell: Expression, column: Column) -> Expression:
    if column.type == "string":
        return cell
    made = cell.try_cast(_SQL_TYPES.get(column.type, column.type))
    if column.type == "timestamp":
        return F.when(F.rlike(cell, F.lit(_TIME + _OFFSET)), made)
    if column.type == "date":
        return F.when(F.rlike(cell, F.lit(_DATE)), made)
    if column.type in ("float", "double"):
        # Java also reads 1d, 2.5f and 0x1p3 as numbers
        is_java = F.right(cell, F.lit(1)).isin("d", "D", "f", "F") & ~_is_infinite(cell)
        is_hex = F.contains(cell, F.lit("x")) | F.contains(cell, F.lit("X"))
        return F.when(~is_java & ~is_hex, made)
    return made


def _is_infinite(cell: Expression) -> Expression:
    return F.lower(F.right(cell, F.lit(3))) == "inf"


def _row_reason(source: Source) -> Expression:
    line = F.col(RAW)
    mark = f"\\Q{source.delimiter}\\E"
    # what is left once cells in quotes are taken out
    bare = F.regexp_replace(line, f'(^|{mark})"[^"]*+(?:""[^"]*+)*+"(?={mark}|$)', "$1")
    num_quotes = F.length(line) - F.length(F.replace(line, F.lit('"'), F.lit("")))
    has_quotes = F.contains(line, F.lit('"')) if source.has_quotes else F.lit(False)
    return (
        F.when(F.octet_length(line) > MAX_LINE_BYTES, QUARANTINED + "too_long")
        .when(
            ~F.is_valid_utf8(line) | F.contains(line, F.lit(_REPLACEMENT)), QUARANTINED + "encoding"
        )
        .when(F.rlike(line, F.lit(_CONTROL)), QUARANTINED + "control_character")
        .when(has_quotes & (num_quotes % 2 == 1), QUARANTINED + "unbalanced_quote")
        .when(has_quotes & F.rlike(bare, F.lit(f'(^|{mark})"')), QUARANTINED + "stray_quote")
        .when(F.col(CELLS).isNull(), QUARANTINED + "field_count")
    )


def _column_reason(cell: Expression, column: Column) -> Expression:
    value = F.col(f"`{column.name}`")
    reason = F.lit(None).cast("string")
    if column.type != "string":
        is_wrong = cell.isNotNull() & value.isNull()
        if column.type == "timestamp":
            lacks_offset = is_wrong & F.rlike(cell, F.lit(f"{_TIME}$"))
            reason = F.when(lacks_offset, f"{QUARANTINED}timezone:{column.name}")
            reason = reason.when(is_wrong, f"{QUARANTINED}type:{column.name}")
        else:
            reason = F.when(is_wrong, f"{QUARANTINED}type:{column.name}")
    if column.earliest or column.latest:
        reason = reason.when(_is_outside(value, column), f"{QUARANTINED}out_of_range:{column.name}")
    if column.type in ("float", "double"):
        is_infinite = F.isnan(value) | (F.abs(value) == float("inf"))
        reason = reason.when(is_infinite, f"{QUARANTINED}not_finite:{column.name}")
    if not column.is_nullable:
        reason = F.coalesce(reason, F.when(cell.isNull(), f"{QUARANTINED}null:{column.name}"))
    return reason


def _is_outside(value: Expression, column: Column) -> Expression:
    is_early = value < F.lit(column.earliest or None).cast(column.type)
    is_late = value >= F.lit(column.latest or None).cast(column.type)
    return F.coalesce(is_early, F.lit(False)) | F.coalesce(is_late, F.lit(False))


def _range_text(column: Column) -> str:
    said = [f"from {column.earliest}"] if column.earliest else []
    said += [f"before {column.latest}"] if column.latest else []
    return " and ".join(said)


def _detail(rule: Expression, source: Source) -> Expression:
    kind, name = F.substring_index(rule, ":", 1), F.substring_index(rule, ":", -1)
    wanted = F.create_map(*[F.lit(x) for c in source.columns for x in (c.name, c.type)])
    ranges = F.create_map(*[F.lit(x) for c in source.columns for x in (c.name, _range_text(c))])
    names = F.array(*[F.lit(column.name) for column in source.text_columns])
    cell = F.substring(
        F.try_element_at(F.map_from_arrays(names, F.col(CELLS)), name), 1, _SHOWN_CHARS
    )
    personal = [column.name for column in source.columns if column.is_personal]
    got = (
        F.when(name.isin(*personal), "a personal value, not shown")
        if personal
        else F.when(F.lit(False), "")
    )
    got = got.otherwise(F.concat(F.lit("'"), cell, F.lit("'")))
    said = {
        "too_long": F.concat(
            F.lit(f"expected at most {MAX_LINE_BYTES} bytes; got "), F.octet_length(RAW)
        ),
        "encoding": F.lit("expected UTF-8; got other bytes, or U+FFFD, which stands for such"),
        "control_character": F.lit("expected text; got a control character"),
        "withdrawn": F.lit("good by itself; a later step set it aside"),
        "unbalanced_quote": F.lit(
            "expected each quote closed in its line; if quoted cells hold line ends, set "
            "is_multiline=True in the contract"
        ),
        "stray_quote": F.lit(
            "expected a cell in quotes to end with its quote, and quotes inside it doubled"
        ),
        "field_count": F.concat(
            F.lit(f"expected {len(source.file_columns)} fields; got "),
            _num_fields(source.delimiter),
        ),
        "null": F.concat(F.lit("expected a value; got "), got),
        "not_finite": F.concat(F.lit("expected a finite number; got "), got),
        "out_of_range": F.concat(
            F.lit("expected a time "), F.try_element_at(ranges, name), F.lit("; got "), got
        ),
        "timezone": F.concat(F.lit("expected a time with Z or an offset like +01:00; got "), got),
    }
    said |= {} if source.format == "csv" else bytes_details(source)
    other = F.concat(F.lit("expected "), F.try_element_at(wanted, name), F.lit("; got "), got)
    return reduce(
        lambda rest, item: F.when(kind == item[0], item[1]).otherwise(rest), said.items(), other
    )


def _num_fields(delimiter: str) -> Expression:
    bare = F.regexp_replace(F.col(RAW), '"[^"]*"', "")
    removed = F.length(bare) - F.length(F.replace(bare, F.lit(delimiter), F.lit("")))
    return (removed / len(delimiter)).cast("int") + 1
