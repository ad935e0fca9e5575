"""Aggregates over what had happened by a moment: the past only, and never the row itself.

Spark's sliding frames add a window up anew for each row. Here time is cut into chunks no shorter
than the longest window, and each row goes to its question's chunk and to those in which its event
can still count. A task then holds whole windows: it sorts its events once, and each window is the
difference of two running sums. Memory is bounded by the rows of a task, and work grows with the
rows, not with rows times window. One pass answers all keys; where a chunk holds more rows than a
task should, its keys are spread over tasks, at the price of a pass for each.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as t

from schemas.contract import ContractError
from schemas.encode import Rolling

# pyarrow makes its functions at import, out of any type checker's sight
_compute: Any = pyarrow.compute

# each task of a sweep holds about this many rows of its few columns in memory
_ROWS_PER_TASK = 500_000
_MIN_TASKS = 2
_MIN_CHUNK_S = 86_400
_CHUNK, _PLACE = "_chunk", "_place"
_SECONDS, _VALUE, _KEY = "_seconds_", "_value_", "_key_"


def roll(
    df: DataFrame, rollings: Sequence[Rolling], primary_key: Sequence[str], num_rows: int
) -> DataFrame:
    """Add one double column for each of ``rollings``; see ``Rolling`` for the window.

    Args:
        df: Rows unique by ``primary_key``.
        rollings: What to aggregate. A row with a null key has no past: count 0, mean null. A value
            that is NaN or infinite is not known, as a null is not.
        primary_key: Finds the answers' rows again.
        num_rows: Rows of ``df``, about; decides over how many tasks they are spread.

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
    # only what the aggregates read goes through their tasks; one join brings the answers home
    narrow = _narrow(df, rollings, primary_key)
    num_tasks = max(_MIN_TASKS, -(-num_rows // _ROWS_PER_TASK))
    for sweep in _sweeps(narrow, rollings, num_rows):
        narrow = _answer(narrow, sweep, num_tasks)
    answers = narrow.select(
        *[F.col(name).alias(f"{_KEY}{name}") for name in primary_key],
        *[item.name for item in rollings],
    )
    same = [F.col(name) == F.col(f"{_KEY}{name}") for name in primary_key]
    joined = df.join(answers, on=same, how="left")
    return joined.drop(*[f"{_KEY}{name}" for name in primary_key])


def _narrow(df: DataFrame, rollings: Sequence[Rolling], primary_key: Sequence[str]) -> DataFrame:
    keys = sorted({name for item in rollings for name in item.by} - set(primary_key))
    times = sorted({name for item in rollings for name in (item.event_time, item.as_of)})
    values = sorted({item.value for item in rollings})
    return df.select(
        *primary_key,
        *keys,
        *[F.unix_seconds(F.col(name)).alias(_SECONDS + name) for name in times],
        *[F.col(name).cast("double").alias(_VALUE + name) for name in values],
    )


def _read_columns(item: Rolling) -> tuple[str, ...]:
    return (item.value, item.event_time, item.as_of, *item.by)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Aggregates that one pass answers, and the columns that bring their rows together."""

    by: tuple[str, ...]
    items: tuple[Rolling, ...]

    @property
    def chunk_s(self) -> int:
        """Seconds of a chunk: no shorter than the longest window."""
        return max(_MIN_CHUNK_S, *[item.window_s for item in self.items])


def _sweeps(df: DataFrame, rollings: Sequence[Rolling], num_rows: int) -> list[_Sweep]:
    """Group aggregates by the moment they ask at; by their keys too where a chunk is too large."""
    found: list[_Sweep] = []
    for as_of in sorted({item.as_of for item in rollings}):
        asked = [item for item in rollings if item.as_of == as_of]
        whole = _Sweep((), tuple(asked))
        # no row is twice in a chunk: few rows need no counting
        is_small = num_rows <= _ROWS_PER_TASK or _largest_chunk(df, whole) <= _ROWS_PER_TASK
        found += [whole] if is_small else _by_key(asked)
    return found


def _by_key(items: Sequence[Rolling]) -> list[_Sweep]:
    """Rows that share (origin, carrier) share origin too: what groups by both rides along."""
    found: dict[tuple[str, ...], list[Rolling]] = {}
    for item in sorted(items, key=lambda item: (len(item.by), item.by)):
        by = next((known for known in found if set(known) <= set(item.by)), item.by)
        found.setdefault(by, []).append(item)
    return [_Sweep(by, tuple(items)) for by, items in found.items()]


def _largest_chunk(df: DataFrame, sweep: _Sweep) -> int:
    chunks = df.select(F.explode(_chunks(sweep)).alias(_CHUNK)).groupBy(_CHUNK).count()
    return chunks.agg(F.max("count")).collect()[0][0] or 0


def _answer(df: DataFrame, sweep: _Sweep, num_tasks: int) -> DataFrame:
    spread = df.withColumns({_PLACE: _place(sweep), _CHUNK: F.explode(_chunks(sweep))})
    placed = spread.repartition(num_tasks, *sweep.by, _CHUNK)
    made = [t.StructField(item.name, t.DoubleType()) for item in sweep.items]
    schema = t.StructType([*df.schema.fields, *made])
    return placed.mapInArrow(_Sweeper(sweep, tuple(df.columns)), schema)


def _place(sweep: _Sweep) -> Column:
    """Chunk of a row's question; 0 where it asks at no known moment."""
    return F.coalesce(_chunk_of(F.col(_SECONDS + sweep.items[0].as_of), sweep.chunk_s), F.lit(0))


def _chunks(sweep: _Sweep) -> Column:
    """Chunks that need a row: that of its question, and those in which its event can count."""
    # a shorter window reaches one of the two chunks that the longest one does
    windows: dict[str, int] = {}
    for item in sweep.items:
        windows[item.event_time] = max(item.window_s, windows.get(item.event_time, 0))
    reached = [
        _chunk_of(F.col(_SECONDS + name) + shift, sweep.chunk_s)
        for name, window_s in sorted(windows.items())
        for shift in (0, window_s)
    ]
    place = _place(sweep)
    needed = F.array_distinct(F.array_compact(F.array(place, *reached)))
    if not sweep.by:
        return needed
    # rows of unknown key have no common past: they ask, and are no event to anybody
    has_key = reduce(and_, [F.col(name).isNotNull() for name in sweep.by])
    return F.when(has_key, needed).otherwise(F.array(place))


def _chunk_of(seconds: Column, chunk_s: int) -> Column:
    return F.floor(seconds / chunk_s)


@dataclass(frozen=True, slots=True)
class _Sweeper:
    """Answer the questions of one task; called in Spark's Python workers."""

    sweep: _Sweep
    columns: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = list(batches)
        if not found:
            return
        events = pa.Table.from_batches(found).combine_chunks()
        asking = _integers(events[_CHUNK]) == _integers(events[_PLACE])
        questions = events.filter(pa.array(asking)).combine_chunks()
        kept = questions.select(list(self.columns))
        items, chunk_s = self.sweep.items, self.sweep.chunk_s
        axes = {by: _Axis(events, by, chunk_s) for by in {item.by for item in items}}
        for item in items:
            answer = _aggregate(item, *axes[item.by].window(item, questions, asking))
            kept = kept.append_column(item.name, pa.array(answer, mask=np.isnan(answer)))
        yield from kept.to_batches()


class _Axis:
    """All times of all groups of a task on one line of seconds, each group at a place of its own.

    A group is one key in one chunk. Its stretch begins one chunk early, for the events that came
    before the chunk and still count in it.
    """

    def __init__(self, events: pa.Table, by: Sequence[str], chunk_s: int) -> None:
        self._events = events
        self._start = (_integers(events[_CHUNK]) - 1) * chunk_s
        self._length = 2 * chunk_s
        self._origin = _rank([events[_CHUNK], *[events[name] for name in by]]) * self._length
        self._has_key = reduce(np.logical_and, [_is_valid(events[name]) for name in by])
        self._sums: dict[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.longdouble]]] = {}

    def window(
        self, item: Rolling, questions: pa.Table, asking: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Count and sum what each question sees; ``asking`` marks their rows among the events."""
        places, sums = self._running_sums(item.event_time, item.value)
        asked = _integers(questions[_SECONDS + item.as_of])
        last = asked - self._start[asking] + self._origin[asking]
        low, high = np.searchsorted(places, [last - item.window_s, last])
        # a flight that left early had "happened" before its schedule: its own answer would stand
        # among its features
        at = _integers(questions[_SECONDS + item.event_time])
        own, is_own = _numbers(questions, item.event_time, item.value)
        is_own &= (at >= asked - item.window_s) & (at < asked)
        can_ask = self._has_key[asking] & _is_valid(questions[_SECONDS + item.as_of])
        count = np.where(can_ask, high - low - is_own, 0)
        total = (sums[high] - sums[low]).astype(np.float64) - np.where(is_own, own, 0.0)
        return count, np.where(count > 0, total, 0.0)

    def _running_sums(
        self, event_time: str, value: str
    ) -> tuple[NDArray[np.int64], NDArray[np.longdouble]]:
        """Places of the known events, ascending, and the sums of the values before each."""
        if (event_time, value) not in self._sums:
            seconds = _integers(self._events[_SECONDS + event_time]) - self._start
            values, is_known = _numbers(self._events, event_time, value)
            is_known &= self._has_key & (seconds >= 0) & (seconds < self._length)
            place, known = (seconds + self._origin)[is_known], values[is_known]
            # equal times in the order of their values: the same sums on every run
            order = np.lexsort((known, place))
            # of more digits, since a window is the small difference of two large sums
            sums = np.concatenate([[0], np.cumsum(known[order], dtype=np.longdouble)])
            self._sums[event_time, value] = place[order], sums
        return self._sums[event_time, value]


def _numbers(
    rows: pa.Table, time: str, value: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the values, and whether each is a number known at a time."""
    values = rows[_VALUE + value].to_numpy()
    return values, np.isfinite(values) & _is_valid(rows[_SECONDS + time])


def _integers(column: Any) -> NDArray[np.int64]:
    return _compute.fill_null(column, 0).to_numpy()


def _is_valid(column: Any) -> NDArray[np.bool_]:
    return column.is_valid().to_numpy()


def _rank(columns: Sequence[Any]) -> NDArray[np.int64]:
    """Number the distinct combinations of ``columns``, in their order, from 0."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        order = _compute.sort_indices(encoded.dictionary).to_numpy()
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        mixed = code * len(order) + rank[encoded.indices.to_numpy()]
        code = np.unique(mixed, return_inverse=True)[1]
    return code


def _aggregate(
    item: Rolling, count: NDArray[np.int64], total: NDArray[np.float64]
) -> NDArray[np.float64]:
    if item.aggregate == "count":
        return count.astype(np.float64)
    if item.aggregate == "sum":
        return total
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
