"""Work ahead of a consumer, in a thread."""

import queue
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_POLL_S = 0.1
# a hand-over wakes a thread, which takes as long as making a small batch
_LOT_ITEMS, _LOT_S = 8, 0.001


def ahead(items: Iterator[_T], depth: int) -> Generator[_T]:
    """Give ``items`` as they are, with up to ``depth`` lots of them made before they are asked for.

    The first are begun at once. A lot is what was made in a millisecond, at least one item and at
    most eight. An error of ``items`` is raised where its item would have come. A consumer that
    stops early, or closes what it never asked, ends the thread.
    """
    worker = _Worker(items, depth)
    worker.start()
    given = _given(worker)
    next(given)
    return given


def _given(worker: "_Worker[_T]") -> Generator[Any]:
    try:
        yield  # nothing yet: a generator that has not begun would not end its thread
        while lot := worker.take():
            yield from lot
    finally:
        worker.stop()


class _Worker(threading.Thread, Generic[_T]):
    """Puts items into a queue, lot by lot; an empty lot is the end."""

    def __init__(self, items: Iterator[_T], depth: int) -> None:
        super().__init__(name="ahead", daemon=True)
        self._items = items
        self._made: queue.Queue[list[_T]] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._is_over = threading.Event()

    def run(self) -> None:
        lot: list[_T] = []
        began = 0.0  # the first item goes by itself
        try:
            for item in self._items:
                lot.append(item)
                if len(lot) == _LOT_ITEMS or time.perf_counter() - began > _LOT_S:
                    if not self._put(lot):
                        return
                    lot, began = [], time.perf_counter()
        except BaseException as error:  # noqa: BLE001  raised in the consumer's thread
            self._error = error
        if not lot or self._put(lot):
            self._put([])

    def take(self) -> list[_T]:
        """Give the next lot; where there is none, raise what making it raised."""
        lot = self._made.get()
        if not lot and self._error:
            raise self._error
        return lot

    def stop(self) -> None:
        """End the thread; what it has made is dropped."""
        self._is_over.set()
        self.join()

    def _put(self, lot: list[_T]) -> bool:
        while not self._is_over.is_set():
            try:
                self._made.put(lot, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
