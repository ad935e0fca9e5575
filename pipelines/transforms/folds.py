"""Cut the rows that may be learned from into folds, each held out once.

A fold is a pure function of a row's key, label, group or time and of boundaries that were fitted
once on the table, so it is the same on every run and however Spark lays the rows out. In the table
of a fold the rows held out are its split ``test``; rows that choose the best epoch are taken from
the others, so what measures a fold has decided nothing in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.step import FATE
from pipelines.transforms.sample import bounded_sample
from pipelines.transforms.split import hash_share
from schemas.contract import SPLIT_COLUMN, ContractError

WAYS = ("key", "label", "group", "time")
TEST_SPLIT, LATER, GAP = "filtered:test_split", "filtered:later_fold", "filtered:gap"
NO_TIME = "filtered:no_time"
FATES = (TEST_SPLIT, LATER, GAP, NO_TIME)
_SLOTS = 4096  # of a hash: what is counted for each label does not grow with the rows
_MAX_LABELS = 1000
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Folds:
    """How rows are cut.

    Args:
        by: ``key``: a hash of ``columns``. ``label``: the same, with as many rows of each label in
            each fold. ``group``: a hash of ``columns``, so that a group is never in two folds.
            ``time``: windows that grow; the first of ``num`` + 1 stretches with as many rows each
            is never held out.
        num: Folds, 2 or more.
        columns: The primary key, the group, or the one column of time.
        label: Name of the label, for ``label``.
        seed: Makes another cut of the same rows.
        validation_share: Of the rows that are not held out, those that choose the best epoch; by
            time the last ones.
        gap_s: Seconds before the validation and before what is held out from which no row is used,
            by time only.
    """

    by: str
    num: int
    columns: tuple[str, ...]
    label: str
    seed: int
    validation_share: float = 0.1
    gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FoldState:
    """What was fitted: for each label the slots of the hash at which folds end, or moments.

    ``moments`` are, by fold, where validation and what is held out begin, in microseconds since
    1970; what is held out ends where that of the next fold begins.
    """

    ends: dict[str, tuple[int, ...]]
    moments: tuple[tuple[float, float], ...] = ()


def fit_folds(df: DataFrame, folds: Folds, key: Sequence[str]) -> FoldState:
    """Learn the boundaries from the rows of ``df`` that are not of the test split; two Spark jobs.

    Args:
        df: Rows with the columns of ``folds`` and ``split``.
        folds: How to cut.
        key: Primary key; beyond a million rows moments are those of a sample by it.

    Raises:
        ContractError: Too many labels, a time that is none, or no row with one.
    """
    usable = df.where(F.col(SPLIT_COLUMN) != "test")
    if folds.by == "label":
        return FoldState(_fit_labels(usable, folds))
    if folds.by == "time":
        return FoldState({}, _fit_moments(usable, folds, key))
    return FoldState({})


def mark_fold(df: DataFrame, folds: Folds, state: FoldState, number: int) -> DataFrame:
    """Give ``df`` with ``split`` and ``_fate`` as they are in fold ``number``, from 1.

    Returns:
        The same rows: ``kept``, with split ``train``, ``validation`` or, held out, ``test``; or one
        of ``FATES`` and no split. Rows of the table's own test split are never kept.
    """
    parts = _parts_by_time if folds.by == "time" else _parts_by_hash
    found = parts(folds, state, number)
    fate = F.when(F.col(SPLIT_COLUMN) == "test", TEST_SPLIT).otherwise(found)
    marked = df.withColumn(FATE, fate)
    is_kept = ~F.col(FATE).startswith("filtered:")
    return marked.withColumn(SPLIT_COLUMN, F.when(is_kept, F.col(FATE))).withColumn(
        FATE, F.when(is_kept, "kept").otherwise(F.col(FATE))
    )


def _parts_by_hash(folds: Folds, state: FoldState, number: int) -> Column:
    share = _share(folds)
    fold = F.floor(share * folds.num)
    if state.ends:
        pairs = [F.lit(item) for label, ends in state.ends.items() for item in (label, [*ends])]
        ends = F.element_at(F.create_map(*pairs), F.col(folds.label).cast("string"))
        passed = F.size(F.filter(ends, lambda end: end <= F.floor(share * _SLOTS)))
        # a row without a label is in no figure; it may be in the past of others
        fold = F.when(ends.isNotNull(), passed).otherwise(fold)
    # another hash: by the same one the folds' validation rows would be one another's neighbours
    is_held = hash_share(folds.columns, f"validation {folds.seed}") < folds.validation_share
    learned = F.when(is_held, "validation").otherwise("train")
    return F.when(fold == number - 1, "test").otherwise(learned)


def _parts_by_time(folds: Folds, state: FoldState, number: int) -> Column:
    validation, test = state.moments[number - 1]
    time, gap = _micros(folds), folds.gap_s * _MICROS
    is_last = number == folds.num
    is_later = F.lit(False) if is_last else time >= state.moments[number][1]
    return (
        F.when(time.isNull(), NO_TIME)
        .when(time < validation - gap, "train")
        .when(time < validation, GAP)
        .when(time < test - gap, "validation")
        .when(time < test, GAP)
        .when(is_later, LATER)
        .otherwise("test")
    )


def _fit_labels(usable: DataFrame, folds: Folds) -> dict[str, tuple[int, ...]]:
    slot = F.floor(_share(folds) * _SLOTS).alias("slot")
    label = F.col(folds.label).cast("string").alias("label")
    known = usable.where(F.col(folds.label).isNotNull())
    num_labels = known.select(label).distinct().limit(_MAX_LABELS + 1).count()
    if num_labels > _MAX_LABELS:
        raise ContractError(
            f"folds by label: expected at most {_MAX_LABELS} labels; {folds.label} has more. For "
            "a number take --by key"
        )
    counts: dict[str, list[int]] = {}
    for row in known.groupBy(label, slot).count().collect():
        counts.setdefault(row["label"], [0] * _SLOTS)[row["slot"]] = row["count"]
    return {label: _ends(counts[label], folds.num) for label in sorted(counts)}


def _ends(counts: Sequence[int], num: int) -> tuple[int, ...]:
    """Slots at which folds with about as many rows end.

    >>> _ends([2, 0, 2, 2], 3)
    (1, 3)
    """
    total, ends = sum(counts), list[int]()
    for slot, before in enumerate(accumulate(counts), start=1):
        while len(ends) < num - 1 and before * num >= total * (len(ends) + 1):
            ends.append(slot)
    return tuple(ends)


def _fit_moments(
    usable: DataFrame, folds: Folds, key: Sequence[str]
) -> tuple[tuple[float, float], ...]:
    kind = dict(usable.dtypes).get(folds.columns[0], "none")
    if kind not in ("timestamp", "date"):
        raise ContractError(
            f"folds by time: expected a column of type timestamp or date; {folds.columns[0]!r} is "
            f"{kind}. Name one by --columns"
        )
    starts = [number / (folds.num + 1) for number in range(1, folds.num + 1)]
    shares = [[start * (1 - folds.validation_share), start] for start in starts]
    time = _micros(folds)
    known = bounded_sample(usable.where(time.isNotNull()), key)
    row: Any = known.select(F.percentile(time, [one for pair in shares for one in pair])).first()
    if row[0] is None:
        raise ContractError(f"folds by time: {folds.columns[0]} is null in every row")
    return tuple(zip(row[0][::2], row[0][1::2], strict=True))


def _share(folds: Folds) -> Column:
    return hash_share(folds.columns, f"folds {folds.seed}")


def _micros(folds: Folds) -> Column:
    return F.unix_micros(F.col(folds.columns[0]).cast("timestamp"))
