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

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as t

from pipelines.transforms.windows import CHUNK, SECONDS, VALUE, Axis, aggregate, integers
from schemas.contract import ContractError
from schemas.encode import Rolling

# each task of a sweep holds about this many rows of its few columns in memory
_ROWS_PER_TASK = 500_000
_MIN_TASKS = 2
_MIN_CHUNK_S = 86_400
_PLACE, _KEY = "_place", "_key_"


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
        *[F.unix_seconds(F.col(name)).alias(SECONDS + name) for name in times],
        *[F.col(name).cast("double").alias(VALUE + name) for name in values],
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
    chunks = df.select(F.explode(_chunks(sweep)).alias(CHUNK)).groupBy(CHUNK).count()
    return chunks.agg(F.max("count")).collect()[0][0] or 0


def _answer(df: DataFrame, sweep: _Sweep, num_tasks: int) -> DataFrame:
    spread = df.withColumns({_PLACE: _place(sweep), CHUNK: F.explode(_chunks(sweep))})
    placed = spread.repartition(num_tasks, *sweep.by, CHUNK)
    made = [t.StructField(item.name, t.DoubleType()) for item in sweep.items]
    schema = t.StructType([*df.schema.fields, *made])
    return placed.mapInArrow(_Sweeper(sweep, tuple(df.columns)), schema)


def _place(sweep: _Sweep) -> Column:
    """Chunk of a row's question; 0 where it asks at no known moment."""
    return F.coalesce(_chunk_of(F.col(SECONDS + sweep.items[0].as_of), sweep.chunk_s), F.lit(0))


def _chunks(sweep: _Sweep) -> Column:
    """Chunks that need a row: that of its question, and those in which its event can count."""
    # a shorter window reaches one of the two chunks that the longest one does
    windows: dict[str, int] = {}
    for item in sweep.items:
        windows[item.event_time] = max(item.window_s, windows.get(item.event_time, 0))
    reached = [
        _chunk_of(F.col(SECONDS + name) + shift, sweep.chunk_s)
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
        asking = integers(events[CHUNK]) == integers(events[_PLACE])
        questions = events.filter(pa.array(asking)).combine_chunks()
        kept = questions.select(list(self.columns))
        items, chunk_s = self.sweep.items, self.sweep.chunk_s
        axes = {by: Axis(events, by, chunk_s) for by in {item.by for item in items}}
        for item in items:
            answer = aggregate(item, *axes[item.by].window(item, questions, asking))
            kept = kept.append_column(item.name, pa.array(answer, mask=np.isnan(answer)))
        yield from kept.to_batches()
