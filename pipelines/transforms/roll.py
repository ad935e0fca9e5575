"""Aggregates over what had happened by a moment: the past only, and never the row itself.

Spark's sliding frames add a window up anew for each row. Here time is swept once: an event enters
the running total when it happens, and leaves it when it is one window old, so that the total at a
question is the window's. Work grows with the rows, and not with rows times window.
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

_ENTRY, _KIND, _TIME, _SIGN = "_entry", "_kind", "_time", "_sign"
_QUESTION = -1
_VALUE = "_value"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Events of one kind: same keys, times and window; one or more values known with them."""

    number: int
    members: tuple[Rolling, ...]

    @property
    def first(self) -> Rolling:
        return self.members[0]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(sorted({item.value for item in self.members}))


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
    named = {name for item in rollings for name in _read_columns(item)}
    missing = {*named, *primary_key} - set(df.columns)
    if missing:
        raise ContractError(f"rolling aggregates need {sorted(missing)}; got {df.columns}")
    # only what the aggregates read goes through their sorts; one join brings the answers home
    narrow = df.select(*primary_key, *sorted(named - set(primary_key)))
    for _, items in groupby(sorted(rollings, key=_question), key=_question):
        narrow = _sweep(narrow, list(items))
    answers = narrow.select(
        *[F.col(name).alias(f"_key_{name}") for name in primary_key],
        *[item.name for item in rollings],
    )
    same = [F.col(name) == F.col(f"_key_{name}") for name in primary_key]
    joined = df.join(answers, on=same, how="left")
    return joined.drop(*[f"_key_{name}" for name in primary_key])


def _read_columns(item: Rolling) -> tuple[str, ...]:
    return (item.value, item.event_time, item.as_of, *item.by)


def _question(item: Rolling) -> tuple[tuple[str, ...], str]:
    """Aggregates that ask the same keys at the same time share one sort."""
    return (item.by, item.as_of)


def _event(item: Rolling) -> tuple[str, int]:
    return (item.event_time, item.window_s)


def _sweep(df: DataFrame, items: list[Rolling]) -> DataFrame:
    first = items[0]
    found = groupby(sorted(items, key=_event), key=_event)
    kinds = [_Kind(number, tuple(members)) for number, (_, members) in enumerate(found)]
    as_of = F.unix_seconds(F.col(first.as_of))
    questions = df.withColumns({_TIME: as_of, _KIND: F.lit(_QUESTION)})
    stream = questions.unionByName(_entries(df, kinds), allowMissingColumns=True)
    # at equal times questions come first: an event at t counts for questions in (t, t + window]
    past = (
        Window.partitionBy(*first.by)
        .orderBy(F.asc(_TIME), F.asc(_KIND))
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    totals: dict[str, Column] = {}
    for kind in kinds:
        for i, value in enumerate(kind.values):
            seen = F.when(F.col(_KIND) == kind.number, F.col(f"{_VALUE}{i}"))
            totals[_total(kind, value)] = F.sum(seen * F.col(_SIGN)).over(past)
            totals[_count(kind, value)] = F.sum(F.when(seen.isNotNull(), F.col(_SIGN))).over(past)
    answered = stream.withColumns(totals).where(F.col(_KIND) == _QUESTION)
    made = {item.name: _aggregate(kind, item) for kind in kinds for item in kind.members}
    return answered.withColumns(made).select(*df.columns, *made)


def _entries(df: DataFrame, kinds: Sequence[_Kind]) -> DataFrame:
    """Two narrow rows for each event and window: in when it happens, out a window later."""
    width = max(len(kind.values) for kind in kinds)
    entries = [_entry(kind, sign, width) for kind in kinds for sign in (1, -1)]
    keys = kinds[0].first.by
    known = df.where(_has_key(kinds[0].first))
    exploded = known.select(*keys, F.explode(F.array(*entries)).alias(_ENTRY))
    return exploded.select(*keys, f"{_ENTRY}.*").where(F.col(_TIME).isNotNull())


def _entry(kind: _Kind, sign: int, width: int) -> Column:
    time = F.unix_seconds(F.col(kind.first.event_time))
    values = [F.col(name).cast("double") for name in kind.values]
    values += [F.lit(None).cast("double")] * (width - len(values))
    return F.struct(
        (time if sign > 0 else time + kind.first.window_s).alias(_TIME),
        F.lit(kind.number).alias(_KIND),
        F.lit(sign).alias(_SIGN),
        *[value.alias(f"{_VALUE}{i}") for i, value in enumerate(values)],
    )


def _aggregate(kind: _Kind, item: Rolling) -> Column:
    """Aggregate over events of the window, less the row's own event if that lies in it.

    A flight that left early had "happened" before its schedule: without the subtraction the answer
    would stand among its own features.
    """
    own_event = F.unix_seconds(F.col(item.event_time))
    as_of = F.unix_seconds(F.col(item.as_of))
    own_value = F.when(_has_key(item), F.col(item.value).cast("double"))
    is_own = (own_event >= as_of - item.window_s) & (own_event < as_of) & own_value.isNotNull()
    count = F.coalesce(F.col(_count(kind, item.value)), F.lit(0)) - F.when(is_own, 1).otherwise(0)
    total = F.coalesce(F.col(_total(kind, item.value)), F.lit(0.0))
    total -= F.when(is_own, own_value).otherwise(0.0)
    if item.aggregate == "count":
        return count.cast("double")
    if item.aggregate == "sum":
        return F.when(count > 0, total).otherwise(0.0)
    return F.when(count > 0, total / count)


def _total(kind: _Kind, value: str) -> str:
    return f"_total_{kind.number}_{value}"


def _count(kind: _Kind, value: str) -> str:
    return f"_count_{kind.number}_{value}"


def _has_key(item: Rolling) -> Column:
    """False where a key is null: rows of unknown key have no common past."""
    return reduce(and_, [F.col(name).isNotNull() for name in item.by])
