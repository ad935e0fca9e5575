"""Petastorm's Reader, made to deliver planned row groups as matrices, in the planned order.

Stock Petastorm costs a Python call per column or per row, and its thread pool can end an epoch
with rows still queued. Here one worker thread reads ahead (at most three row groups) and draws the
order of their rows, who asked makes each a few arrays in one call, and the pool asks its two
questions in the safe order. Both take about as long, so two cores are both at work.
"""

import queue
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from petastorm.fs_utils import FilesystemResolver
from petastorm.reader import Reader
from petastorm.workers_pool import EmptyResultError
from petastorm.workers_pool.thread_pool import ThreadPool
from petastorm.workers_pool.ventilator import ConcurrentVentilator
from petastorm.workers_pool.worker_base import WorkerBase

from pipelines.errors import TableError
from pipelines.loading.decode import Decoder, Rows, count_error
from pipelines.loading.manifest import RowGroup

_POLL_S = 0.002
_IDLE_S = 0.05
# gives the order of the rows of a row group, (rows,)
RowOrder: TypeAlias = Callable[[int], NDArray[np.int64]]
_QUEUED = 3  # row groups asked for and not yet taken


class RowGroupReader:
    """Decodes row groups of one split ahead of need, as often and in the order asked."""

    def __init__(self, groups: Sequence[RowGroup], decoder: Decoder) -> None:
        self._groups, self._decoder = tuple(groups), decoder
        files = sorted({group.file for group in groups})
        with warnings.catch_warnings():
            # Petastorm 0.13 uses pyarrow's legacy dataset on purpose, and warns of columns that
            # are not asked for
            warnings.simplefilter("ignore")
            self._reader = _PlannedReader(files, self._groups, decoder)

    def read(self, groups: Sequence[int], row_order: RowOrder | None = None) -> Iterator[Rows]:
        """Give row groups (indexes, repeats allowed), one after the other.

        Args:
            groups: Which, in which order.
            row_order: Gives the order of the rows of each, (rows,); None: the file's.

        Raises:
            TableError: A file is gone or altered, a value is null, not finite or out of range,
                or the reader gave fewer or more rows than the manifest holds.
        """
        self._reader.start(groups, row_order)
        given = 0
        for number, (table, order) in zip(groups, self._reader, strict=False):
            given += 1
            yield self._decoder.rows(table, self._groups[number], order)
        extra = sum(1 for _ in self._reader)
        if given + extra != len(groups):
            raise count_error("Petastorm", f"{len(groups)} row groups", given + extra)

    def close(self) -> None:
        """Stop the worker thread."""
        self._reader.stop()
        self._reader.join()


class LosslessThreadPool(ThreadPool):
    """Petastorm's thread pool, which asks first whether more work is still to come.

    The stock pool asks "are all workers done?", then "was everything queued?"; what is queued
    between the two questions is lost without a word (petastorm 0.13.1, ThreadPool.get_results).
    """

    def start(self, worker_class: Any, worker_args: Any = None, ventilator: Any = None) -> None:
        """Start the workers, then the ventilator that feeds them."""
        super().start(worker_class, worker_args)
        for number, worker in enumerate(self._workers):
            self._ventilator_queues[number] = worker._ventilator_queue = _PatientQueue()  # noqa: SLF001
        self._ventilator = ventilator
        ventilator.start()

    def all_workers_done(self) -> bool:
        """Say whether no result is left and none is to come."""
        if self._ventilator and not self._ventilator.completed():
            return False
        return super().all_workers_done()


class _PatientQueue(queue.Queue[Any]):
    """Waits longer for work: stock workers ask 1000 times a second, 4 % of a core each, idle."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002
        return super().get(block, _IDLE_S)


class _Ventilator(ConcurrentVentilator):
    """A ventilator that takes a new list for each round."""

    def start_round(self, items: list[dict[str, Any]]) -> None:
        if self._ventilation_thread is not None:
            self._ventilation_thread.join()
        self._items_to_ventilate = items
        self._current_item_to_ventilate = 0
        self._iterations_remaining = 1
        self.start()


class _PlannedReader(Reader):
    ventilator: _Ventilator

    def __init__(self, files: list[str], groups: tuple[RowGroup, ...], decoder: Decoder) -> None:
        self._groups = groups
        self._pieces: dict[tuple[str, int], int] = {}
        super().__init__(
            FilesystemResolver("file:///").filesystem(),
            files,  # paths, not URLs: a "#" or "%" in a name would not survive being a URL
            shuffle_row_groups=False,
            reader_pool=LosslessThreadPool(1),
            worker_class=_MatrixWorkers(decoder),
            is_batched_reader=True,
        )

    def start(self, groups: Sequence[int], row_order: RowOrder | None) -> None:
        """Queue row groups for reading."""
        items: list[dict[str, Any]] = []
        for number in groups:
            piece = self._pieces[(self._groups[number].file, self._groups[number].index)]
            items.append({"piece": piece, "number": number, "row_order": row_order})
        self.last_row_consumed = False
        self.ventilator.start_round(items)

    def _filter_row_groups(
        self, dataset: Any, row_groups: Any, *args: Any, **kwargs: Any
    ) -> tuple[list[int], None]:
        # nothing is read at construction: start() says what and in which order
        for number, piece in enumerate(row_groups):
            self._pieces[(str(Path(piece.path)), piece.row_group)] = number
        return [], None

    def _create_ventilator(self, *args: Any, **kwargs: Any) -> _Ventilator:
        return _Ventilator(
            self._workers_pool.ventilate,
            [],
            max_ventilation_queue_size=_QUEUED,
            ventilation_interval=_POLL_S,
        )


class _MatrixWorkers:
    """Makes workers for the pool; stands where Petastorm expects a class of workers."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def __call__(self, worker_id: int, publish: Callable[[Any], None], args: Any) -> WorkerBase:
        return _MatrixWorker(worker_id, publish, (args[4], self._decoder))

    def new_results_queue_reader(self) -> "_Results":
        return _Results()


class _Results:
    batched_output = True

    def read_next(
        self, workers_pool: Any, schema: Any, ngram: Any
    ) -> tuple[pa.Table, NDArray[np.int64] | None]:
        try:
            return workers_pool.get_results()
        except EmptyResultError:
            raise StopIteration from None


class _MatrixWorker(WorkerBase):
    def process(self, piece: int, number: int, row_order: RowOrder | None) -> None:
        pieces, decoder = self.args
        try:
            table = decoder.read(pieces[piece].path, pieces[piece].row_group)
            self.publish_func((table, row_order(number) if row_order else None))
        except TableError as error:
            # published, the pool raises it in the reading thread; raised here, it would be printed
            self.publish_func(error)
