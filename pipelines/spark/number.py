"""A number of a table that is being written: an aggregate of its rows, or what its files tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the files of one version say of themselves, together.

    ``nulls`` counts those of a column; ``spans`` holds the least and the greatest value of a column
    of numbers, None if all are null. A column that is not in them is not known.
    """

    num_rows: int
    nulls: Mapping[str, int]
    spans: Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class Number:
    """An aggregate of the rows, and how statistics of ``columns`` may spare it.

    ``tell`` gives the number, or None where statistics don't tell. Without it the rows are counted.
    """

    aggregate: Column
    columns: tuple[str, ...] = ()
    tell: Callable[[Statistics], int | None] | None = None
