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


def test_no_more_than_depth_lots_are_made_before_they_are_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    consumer = ahead(items(), 3)
    assert next(consumer) == 0
    time.sleep(0.3)
    # one was taken by itself, three lots of at most eight wait, and one more is being made
    assert 5 <= len(made) <= 33
    consumer.close()
    assert not _threads()


def test_the_first_items_are_made_before_anybody_asks() -> None:
    is_made = threading.Event()

    def items() -> Iterator[int]:
        is_made.set()
        yield 1

    consumer = ahead(items(), 2)
    assert is_made.wait(60)
    consumer.close()
    assert not _threads()


def test_an_item_that_takes_long_is_not_kept_for_the_next() -> None:
    is_asked = threading.Event()

    def items() -> Iterator[int]:
        for number in range(2):
            time.sleep(0.01)
            yield number
        is_asked.wait()
        yield 2

    consumer = ahead(items(), 2)
    assert [next(consumer), next(consumer)] == [0, 1]
    is_asked.set()
    assert list(consumer) == [2]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    consumer = ahead(items(), 2)
    assert next(consumer) == 1
    with pytest.raises(ValueError, match="broken"):
        next(consumer)
    assert not _threads()
