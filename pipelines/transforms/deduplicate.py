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
_LATEST = "_latest_version"
OLDER_VERSION = "filtered:older_version"
CONFLICT = "quarantined:conflict"
DUPLICATE = "duplicate"


def mark_duplicates(
    df: DataFrame, primary_key: Sequence[str], version_by: Sequence[str], lineage: Sequence[str]
) -> DataFrame:
    """Add ``_fate``: kept, duplicate, ``filtered:older_version`` or ``quarantined:conflict``.

    A duplicate has the content of another row of its key. A row in conflict has other content, and
    yet the version of the row that is kept: ``version_by`` does not say which of them is right.

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
    # a hash passes over nulls, and so would take (1, null) for (null, 1)
    told = [part for column in content for part in (column.isNull(), column)]
    latest_first = [F.desc_nulls_last(name) for name in (*version_by, *lineage)]
    versions = Window.partitionBy(*primary_key).orderBy(*latest_first)
    copies = Window.partitionBy(*primary_key, _HASH).orderBy(*latest_first)
    # 64 bits are compared within one key only, so a chance collision is out of reach
    hashed = df.withColumn(_HASH, F.xxhash64(*told))
    ranked = hashed.withColumn(_RANK, F.row_number().over(versions))
    fate = F.when(F.col(_RANK) == 1, "kept").when(F.col(_COPY) > 1, DUPLICATE)
    if version_by:
        so_far = versions.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        version = F.struct(*version_by)
        ranked = ranked.withColumn(_LATEST, F.first(version).over(so_far))
        fate = fate.when(version.eqNullSafe(F.col(_LATEST)), CONFLICT)
    copied = ranked.withColumn(_COPY, F.row_number().over(copies))
    marked = copied.withColumn(FATE, fate.otherwise(OLDER_VERSION))
    return marked.drop(_HASH, _RANK, _COPY, _LATEST)


def deduplicate(
    df: DataFrame, primary_key: Sequence[str], version_by: Sequence[str], lineage: Sequence[str]
) -> DataFrame:
    """Keep the latest row of each primary key; see ``mark_duplicates``."""
    marked = mark_duplicates(df, primary_key, version_by, lineage)
    return marked.where(F.col(FATE) == "kept").drop(FATE)
