"""Work on several tables at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pyspark.sql import SparkSession
from pyspark.util import inheritable_thread_target

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MAX_THREADS = 4


def map_tables(
    spark: SparkSession, function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> list[_Result]:
    """Give ``function`` of each item, in order, with their Spark jobs side by side.

    A small table keeps the driver busy and the executors idle; others can run meanwhile.

    Raises:
        Exception: That of the first item that failed, when all have ended.
    """
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        # Wrapped anew for each: a thread gets the caller's local properties (job group), and its
        # own copy of them, since Spark notes in it which query the thread runs.
        futures = [pool.submit(inheritable_thread_target(spark)(function), item) for item in items]
    return [future.result() for future in futures]
