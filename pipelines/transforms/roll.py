"""Aggregates over what had happened by a moment: the past only, and never the row itself.

Spark's sliding frames add a window up anew for each row. Here a window is the difference of two
running totals, S(as_of) - S(as_of - window), so that time grows with the rows and not with rows
times window. All aggregates share one sort: every row enters the stream as an event, and as a
question for each edge of each window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import and_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from schemas.contract import ContractError
from schemas.encode import Rolling

_ENTRY, _GROUP, _KEY, _TIME, _EDGE = "_entry", "_group", "_key", "_time", "_edge"
_EVENT = -1
_TOTAL, _COUNT = "_total", "_count"


@dataclass(frozen=True, slots=True)
class _Group:
    """Aggregates over the same events: same keys, same event time, same question time."""

    number: int
    members: tuple[Rolling, ...]

    @property
    def first(self) -> Rolling:
        return self.members[0]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(sorted({item.value for item in self.members}))

    @property
    def edges(self) -> tuple[int, ...]:
        """Seconds before the question at which a running total is wanted."""
        return (0, *sorted({item.window_s for item in self.members}))


def roll(df: DataFrame, rollings: Sequence[Rolling], primary_key: Sequence[str]) -> DataFrame:
    """Add one double column for each of ``rollings``; see ``Rolling`` for the window.

    Args:
        df: Rows unique by ``primary_key``.
        rollings: What to aggregate. A row with a null key has no past: count 0, mean null.
        primary_key: Finds the answers' rows again.

    Returns:
        Rows of ``df`` unchanged, plus the columns; order not kept.

    Raises:
        ContractError: A named column is missing.
    """
    if not rollings:
        return df
    named = {
        name for item in rollings for name in (item.value, item.event_time, item.as_of, *item.by)
    }
    missing = {*named, *primary_key} - set(df.columns)
    if missing:
        raise ContractError(f"rolling aggregates need {sorted(missing)}; got {df.columns}")
    groups = _groups(rollings)
    totals = _running_totals(_stream(df, groups, primary_key), _width(groups))
    answers = _answers(totals, groups, primary_key)
    for name in primary_key:
        answers = answers.withColumnRenamed(name, f"_key_{name}")
    same = [F.col(name) == F.col(f"_key_{name}") for name in primary_key]
    joined = df.join(answers, on=same, how="left")
    made = {item.name: _aggregate(group, item) for group in groups for item in group.members}
    scratch = [name for name in answers.columns if name not in df.columns]
    return joined.withColumns(made).drop(*scratch)


def _groups(rollings: Sequence[Rolling]) -> list[_Group]:
    def shared(item: Rolling) -> tuple[tuple[str, ...], str, str]:
        return (item.by, item.event_time, item.as_of)

    found = groupby(sorted(rollings, key=shared), key=shared)
    return [_Group(number, tuple(items)) for number, (_, items) in enumerate(found)]


def _width(groups: Sequence[_Group]) -> int:
    return max(len(group.values) for group in groups)


def _stream(df: DataFrame, groups: Sequence[_Group], primary_key: Sequence[str]) -> DataFrame:
    """One narrow row for each event and each question, of all groups."""
    width = _width(groups)
    entries: list[Column] = []
    for group in groups:
        event_time = F.unix_seconds(F.col(group.first.event_time))
        entries.append(_entry(group, event_time, _EVENT, width))
        as_of = F.unix_seconds(F.col(group.first.as_of))
        entries += [_entry(group, as_of - edge, edge, width) for edge in group.edges]
    keys = [F.col(name) for name in primary_key]
    stream = df.select(*keys, F.explode(F.array(*entries)).alias(_ENTRY))
    return stream.select(*primary_key, f"{_ENTRY}.*").where(F.col(_TIME).isNotNull())


def _entry(group: _Group, time: Column, edge: int, width: int) -> Column:
    nothing = F.lit(None).cast("double")
    values = [F.col(name).cast("double") for name in group.values] if edge == _EVENT else []
    values += [nothing] * (width - len(values))
    parts = [F.col(name).cast("string") for name in group.first.by]
    return F.struct(
        F.lit(group.number).alias(_GROUP),
        F.concat_ws("\x1f", *parts).alias(_KEY),
        F.when(_has_key(group.first), time).alias(_TIME),
        F.lit(edge).alias(_EDGE),
        *[value.alias(f"_value{i}") for i, value in enumerate(values)],
    )


def _running_totals(stream: DataFrame, width: int) -> DataFrame:
    # at equal times questions come first (events have the least edge), so an event at t counts only
    # for questions after t
    past = (
        Window.partitionBy(_GROUP, _KEY)
        .orderBy(F.asc(_TIME), F.desc(_EDGE))
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    totals = {f"{_TOTAL}{i}": F.sum(f"_value{i}").over(past) for i in range(width)}
    counts = {f"{_COUNT}{i}": F.count(f"_value{i}").over(past) for i in range(width)}
    return stream.withColumns(totals | counts).where(F.col(_EDGE) != _EVENT)


def _answers(totals: DataFrame, groups: Sequence[_Group], primary_key: Sequence[str]) -> DataFrame:
    """One row for each primary key with the running totals at every edge."""
    wanted: list[Column] = []
    for group in groups:
        for edge in group.edges:
            here = (F.col(_GROUP) == group.number) & (F.col(_EDGE) == edge)
            for i, value in enumerate(group.values):
                for kind in (_TOTAL, _COUNT):
                    found = F.max(F.when(here, F.col(f"{kind}{i}")))
                    wanted.append(found.alias(_name(kind, group, value, edge)))
    return totals.groupBy(*primary_key).agg(*wanted)


def _name(kind: str, group: _Group, value: str, edge: int) -> str:
    return f"{kind}_{group.number}_{value}_{edge}"


def _aggregate(group: _Group, item: Rolling) -> Column:
    """Aggregate over events of the window, less the row's own event if that lies in it.

    A flight that left early had "happened" before its schedule: without the subtraction the answer
    would stand among its own features.
    """

    def difference(kind: str) -> Column:
        until_now = F.col(_name(kind, group, item.value, 0))
        until_start = F.col(_name(kind, group, item.value, item.window_s))
        return F.coalesce(until_now, F.lit(0)) - F.coalesce(until_start, F.lit(0))

    own_event = F.unix_seconds(F.col(item.event_time))
    as_of = F.unix_seconds(F.col(item.as_of))
    own_value = F.when(_has_key(item), F.col(item.value).cast("double"))
    is_own = (own_event >= as_of - item.window_s) & (own_event < as_of) & own_value.isNotNull()
    count = difference(_COUNT) - F.when(is_own, 1).otherwise(0)
    total = difference(_TOTAL) - F.when(is_own, own_value).otherwise(0.0)
    if item.aggregate == "count":
        return count.cast("double")
    if item.aggregate == "sum":
        return F.when(count > 0, total).otherwise(0.0)
    return F.when(count > 0, total / count)


def _has_key(item: Rolling) -> Column:
    """False where a key is null: rows of unknown key have no common past."""
    return reduce(and_, [F.col(name).isNotNull() for name in item.by])
