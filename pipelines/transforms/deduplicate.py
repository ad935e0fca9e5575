"""Keep one row per primary key.

Sources deliver at least once, so a record can arrive twice; the latest version wins.
"""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.step import FATE
from schemas.contract import ContractError

_HASH = "_content_hash"
_RANK = "_version_rank"
_COPY = "_copy_rank"
OLDER_VERSION = "filtered:older_version"
DUPLICATE = "duplicate"


def mark_duplicates(
    df: DataFrame, primary_key: Sequence[str], version_by: Sequence[str], lineage: Sequence[str]
) -> DataFrame:
    """Add ``_fate``: ``kept``, ``duplicate`` (equal content) or ``filtered:older_version``.

    Args:
        df: Any number of rows with the named columns.
        primary_key: Columns that name a record.
        version_by: Columns that order the versions of a record; the greatest is kept.
        lineage: Columns that say where a row came from. They break ties between versions and,
            unlike all others, do not count as content.

    Returns:
        Rows of ``df`` unchanged, plus ``_fate``. Exactly one row of each key is ``kept``.

    Raises:
        ContractError: ``df`` lacks one of those columns.
    """
    missing = {*primary_key, *version_by, *lineage} - set(df.columns)
    if missing:
        raise ContractError(f"deduplicate needs the columns {sorted(missing)}; got {df.columns}")
    content = [F.col(name) for name in df.columns if name not in lineage]
    latest_first = [F.desc_nulls_last(name) for name in (*version_by, *lineage)]
    versions = Window.partitionBy(*primary_key).orderBy(*latest_first)
    copies = Window.partitionBy(*primary_key, _HASH).orderBy(*latest_first)
    # 64 bits are compared within one key only, so a chance collision is out of reach
    hashed = df.withColumn(_HASH, F.xxhash64(*content))
    ranked = hashed.withColumn(_RANK, F.row_number().over(versions))
    ranked = ranked.withColumn(_COPY, F.row_number().over(copies))
    fate = (
        F.when(F.col(_RANK) == 1, "kept").when(F.col(_COPY) > 1, DUPLICATE).otherwise(OLDER_VERSION)
    )
    return ranked.withColumn(FATE, fate).drop(_HASH, _RANK, _COPY)


def deduplicate(
    df: DataFrame, primary_key: Sequence[str], version_by: Sequence[str], lineage: Sequence[str]
) -> DataFrame:
    """Keep the latest row of each primary key; see ``mark_duplicates``."""
    marked = mark_duplicates(df, primary_key, version_by, lineage)
    return marked.where(F.col(FATE) == "kept").drop(FATE)
