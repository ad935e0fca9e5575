"""Every row that a step reads has one fate, and the fates add up.

Counts ride on the write of the table itself (``DataFrame.observe``), so they cost no Spark job.
They are then held against two independent ones: the rows of the input version and the rows of the
committed version, both from the transaction log.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from pipelines.errors import LedgerError
from pipelines.spark.number import Number
from pipelines.step import FATE, Fates
from pipelines.storage.place import is_remote
from pipelines.tables.statistics import read_statistics
from pipelines.tables.version import TableVersion
from pipelines.tables.write import WHOLE, Part, count_part, write_table

KEPT = "kept"
_READ = "read"


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: the folder of a table, the execution that writes, columns that are folders.

    With a ``part``, rows of that part of the table are replaced only.
    """

    path: str
    fingerprint: str
    partition_by: tuple[str, ...] = ()
    part: Part = WHOLE


@dataclass(frozen=True, slots=True)
class Written:
    """A version that was committed, its rows by fate, and what else was counted on the way."""

    table: TableVersion
    fates: Fates
    numbers: dict[str, int | float | str | None] = field(default_factory=dict)


def write_kept(
    marked: DataFrame,
    target: Target,
    fates: Sequence[str] = (),
    numbers: Mapping[str, Number] | None = None,
) -> Written:
    """Write the rows whose fate is ``kept`` and count the fates of all.

    A number that the files may tell by their statistics is not counted on the way; where they don't
    tell it, it is not among those of the result.

    Args:
        marked: Rows with a string column ``_fate``: ``kept``, or one of ``fates``.
        target: The table to write.
        fates: Other fates that may occur: ``duplicate``, ``filtered:RULE``, ``quarantined:REASON``.
        numbers: Those of the rows that are kept, by name.

    Raises:
        LedgerError: A row has another fate, or the commit holds another number of rows.
    """
    fated, measured = Observation(), Observation()
    counts = [_count(F.col(FATE) == word, word) for word in (KEPT, *fates)]
    observed = marked.observe(fated, F.count(F.lit(1)).alias(_READ), *counts)
    kept = observed.where(F.col(FATE) == KEPT).drop(FATE)
    told, counted = _sides(numbers or {}, kept, target)
    # of two names for one aggregate, one is observed
    aggregates = {id(number.aggregate): number.aggregate for number in counted.values()}
    if aggregates:
        # by an alias: Spark would take a dot in a name for a field's
        kept = kept.observe(measured, *[item.alias(f"n{i}") for i, item in aggregates.items()])
    table = write_table(kept, target.path, target.fingerprint, target.partition_by, target.part)
    found = read_fates(fated.get)
    check_fates(str(table), found, num_output=count_part(marked.sparkSession, table, target.part))
    values = measured.get if counted else {}
    known = {name: _json(values[f"n{id(item.aggregate)}"]) for name, item in counted.items()}
    return Written(table, found, {**_tell(told, table), **known})


def _sides(
    numbers: Mapping[str, Number], rows: DataFrame, target: Target
) -> tuple[dict[str, Number], dict[str, Number]]:
    """Numbers that statistics may tell, and those for which the rows are looked at."""
    if target.part.condition or is_remote(target.path):
        return {}, dict(numbers)
    described = {*rows.columns} - {*target.partition_by}
    told = {n: item for n, item in numbers.items() if item.tell and {*item.columns} <= described}
    return told, {name: item for name, item in numbers.items() if name not in told}


def _tell(
    numbers: Mapping[str, Number], table: TableVersion
) -> dict[str, int | float | str | None]:
    if not numbers:
        return {}
    columns = dict.fromkeys(name for item in numbers.values() for name in item.columns)
    statistics = read_statistics(table, columns)
    found = {name: item.tell(statistics) for name, item in numbers.items() if item.tell}
    return {name: value for name, value in found.items() if value is not None}


def write_all(
    rows: DataFrame, target: Target, numbers: Mapping[str, Number] | None = None
) -> Written:
    """Write all ``rows`` and count them as read and kept."""
    return write_kept(rows.withColumn(FATE, F.lit(KEPT)), target, numbers=numbers)


def read_fates(counts: dict[str, int]) -> Fates:
    """Make ``Fates`` of counts by word, e.g. ``{"read": 2, "kept": 1, "filtered:blank": 1}``."""
    return Fates(
        read=counts[_READ],
        kept=counts.get(KEPT, 0),
        duplicate=counts.get("duplicate", 0),
        quarantined=_reasons(counts, "quarantined:"),
        filtered=_reasons(counts, "filtered:"),
    )


def check_fates(
    table: str, fates: Fates, num_input: int | None = None, num_output: int | None = None
) -> None:
    """Hold fates to their sum, to the rows of the input and to the rows written.

    Args:
        table: What to name in an error.
        fates: Rows by fate.
        num_input: Rows of the input by a count that did not come from this step.
        num_output: Rows of the committed version by the log.

    Raises:
        LedgerError: A difference; says which rows are lost, doubled or unexplained.
    """
    if num_input is not None and fates.read != num_input:
        word = "lost" if fates.read < num_input else "doubled"
        raise LedgerError(
            f"{table}: {abs(fates.read - num_input)} rows {word} on the way in: the input holds "
            f"{num_input}, the step read {fates.read}"
        )
    if fates.unexplained:
        word = "without a known fate" if fates.unexplained > 0 else "with two fates"
        raise LedgerError(
            f"{table}: {abs(fates.unexplained)} rows {word}: read {fates.read}, but kept "
            f"{fates.kept}, duplicate {fates.duplicate}, quarantined {fates.quarantined}, "
            f"filtered {fates.filtered}"
        )
    if num_output is not None and fates.kept != num_output:
        word = "lost" if num_output < fates.kept else "doubled"
        raise LedgerError(
            f"{table}: {abs(num_output - fates.kept)} rows {word} on the way out: {fates.kept} "
            f"were kept, the committed version holds {num_output}"
        )


def _json(value: float | None) -> float | str | None:
    """A number as JSON can hold it: NaN and the infinities as words that ``float`` reads."""
    is_word = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_word else value


def _count(condition: Column, word: str) -> Column:
    return F.count(F.when(condition, F.lit(1))).alias(word)


def _reasons(counts: dict[str, int], prefix: str) -> dict[str, int]:
    return {
        word.removeprefix(prefix): count
        for word, count in counts.items()
        if word.startswith(prefix) and count
    }
