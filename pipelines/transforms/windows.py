"""Windows over the past for the rows of one task, as differences of running sums.

Runs in Spark's Python workers, on the columns that ``roll`` brings together.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from schemas.encode import Rolling

CHUNK = "_chunk"  # column: number of a row's chunk of time
SECONDS, VALUE = "_seconds_", "_value_"  # columns: times as seconds since 1970, values as doubles
# pyarrow makes its functions at import, out of any type checker's sight
_compute: Any = pyarrow.compute


class Axis:
    """All times of all groups of a task on one line of seconds, each group at a place of its own.

    A group is one key in one chunk. Its stretch begins one chunk early, for the events that came
    before the chunk and still count in it.
    """

    def __init__(self, events: pa.Table, by: Sequence[str], chunk_s: int) -> None:
        self._events = events
        self._start = (integers(events[CHUNK]) - 1) * chunk_s
        self._length = 2 * chunk_s
        self._origin = _rank([events[CHUNK], *[events[name] for name in by]]) * self._length
        self._has_key = reduce(np.logical_and, [_is_valid(events[name]) for name in by])
        self._sums: dict[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.longdouble]]] = {}

    def window(
        self, item: Rolling, questions: pa.Table, asking: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Count and sum what each question sees; ``asking`` marks their rows among the events."""
        places, sums = self._running_sums(item.event_time, item.value)
        asked = integers(questions[SECONDS + item.as_of])
        last = asked - self._start[asking] + self._origin[asking]
        low, high = np.searchsorted(places, [last - item.window_s, last])
        # a flight that left early had "happened" before its schedule: its own answer would stand
        # among its features
        at = integers(questions[SECONDS + item.event_time])
        own, is_own = _numbers(questions, item.event_time, item.value)
        is_own &= (at >= asked - item.window_s) & (at < asked)
        can_ask = self._has_key[asking] & _is_valid(questions[SECONDS + item.as_of])
        count = np.where(can_ask, high - low - is_own, 0)
        total = (sums[high] - sums[low]).astype(np.float64) - np.where(is_own, own, 0.0)
        return count, np.where(count > 0, total, 0.0)

    def _running_sums(
        self, event_time: str, value: str
    ) -> tuple[NDArray[np.int64], NDArray[np.longdouble]]:
        """Places of the known events, ascending, and the sums of the values before each."""
        if (event_time, value) not in self._sums:
            seconds = integers(self._events[SECONDS + event_time]) - self._start
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
    values = rows[VALUE + value].to_numpy()
    return values, np.isfinite(values) & _is_valid(rows[SECONDS + time])


def integers(column: Any) -> NDArray[np.int64]:
    """Give whole numbers, 0 for null."""
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


def aggregate(
    item: Rolling, count: NDArray[np.int64], total: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the answers, (questions,); NaN where there is none."""
    if item.aggregate == "count":
        return count.astype(np.float64)
    if item.aggregate == "sum":
        return total
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
