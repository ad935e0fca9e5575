"""Working ahead: the same items, errors in their place, no thread left."""

import threading
import time
from collections.abc import Iterator

import pytest

from pipelines.loading.ahead import ahead


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


def test_items_come_as_they_are_and_the_thread_ends() -> None:
    assert list(ahead(iter(range(100)), 2)) == list(range(100))
    assert list(ahead(iter([]), 2)) == []
    assert not _threads()


def test_no_more_than_depth_items_are_made_before_they_are_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    consumer = ahead(items(), 3)
    assert next(consumer) == 0
    time.sleep(0.3)
    # one was taken, three wait, and one more is in the thread's hand
    assert len(made) == 5
    consumer.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert not _threads()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    consumer = ahead(items(), 2)
    assert next(consumer) == 1
    with pytest.raises(ValueError, match="broken"):
        next(consumer)
    assert not _threads()
