"""A bounded sample of rows that is the same on every run."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

MAX_ROWS = 1_000_000
_PARTS = 1_000_000


def bounded_sample(df: DataFrame, key: Sequence[str]) -> DataFrame:
    """Give all rows of ``df``, or about ``MAX_ROWS`` of them, chosen by a hash of ``key``.

    An exact quantile holds each distinct value in memory; this bounds it. Which rows are taken
    depends on nothing but their keys. Runs one count.
    """
    count = df.count()
    if count <= MAX_ROWS:
        return df
    part = F.pmod(F.xxhash64(*key), F.lit(_PARTS))
    return df.where(part < int(_PARTS * MAX_ROWS / count))
