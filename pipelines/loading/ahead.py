"""Work ahead of a consumer, in a thread."""

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")
_POLL_S = 0.1


def ahead(items: Iterator[_T], depth: int) -> Iterator[_T]:
    """Give ``items`` as they are, with up to ``depth`` of them made before they are asked for.

    An error of ``items`` is raised where its item would have come. A consumer that stops early
    ends the thread.
    """
    worker = _Worker(items, depth)
    worker.start()
    try:
        while item := worker.take():
            yield item[0]
    finally:
        worker.stop()


class _Worker(threading.Thread, Generic[_T]):
    """Puts each item into a queue as a list of one; an empty list is the end."""

    def __init__(self, items: Iterator[_T], depth: int) -> None:
        super().__init__(name="ahead", daemon=True)
        self._items = items
        self._made: queue.Queue[list[_T]] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._is_over = threading.Event()

    def run(self) -> None:
        try:
            for item in self._items:
                if not self._put([item]):
                    return
        except BaseException as error:  # noqa: BLE001  raised in the consumer's thread
            self._error = error
        self._put([])

    def take(self) -> list[_T]:
        """Give the next item; raise what making it raised."""
        item = self._made.get()
        if not item and self._error:
            raise self._error
        return item

    def stop(self) -> None:
        """End the thread; what it has made is dropped."""
        self._is_over.set()
        self.join()

    def _put(self, item: list[_T]) -> bool:
        while not self._is_over.is_set():
            try:
                self._made.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
