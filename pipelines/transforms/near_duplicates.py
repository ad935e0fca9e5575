"""Find rows whose texts are nearly copies, within a split and across splits, and mark them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as t

from pipelines.step import FATE
from pipelines.transforms.clean_text import clean_text
from pipelines.transforms.minhash import bands, rows_of_band, shingle_hashes
from pipelines.transforms.tokenize_text import tokenize_text
from schemas.contract import SPLIT_COLUMN, SPLITS
from schemas.near import NearDuplicates, NearImages

NEAR_OTHER_SPLIT = "filtered:near_other_split"
NEAR_DUPLICATE = "filtered:near_duplicate"
KEY, SHINGLES, BANDS = "_key", "_shingles", "_bands"
_TEXT, _BAND = "_text", "_band"
_RANK = "_bucket_rank"
# a bucket of many texts is a template: each is held to so many of them, not to all
_MOST_IN_BUCKET = 50
_LONGS = t.ArrayType(t.LongType())


@dataclass(frozen=True, slots=True)
class _Hasher:
    """Hash the texts of one task; called in Spark's Python workers."""

    near: NearDuplicates

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = rows_of_band(self.near.similarity)
        for batch in batches:
            tokens = tokenize_text(clean_text(batch[_TEXT]), self.near.by)
            shingles = shingle_hashes(tokens, self.near.shingle)
            arrays = [batch[KEY], batch[SPLIT_COLUMN], shingles, bands(shingles, rows)]
            names = [KEY, SPLIT_COLUMN, SHINGLES, BANDS]
            yield pa.RecordBatch.from_arrays(arrays, names)


def hash_texts(df: DataFrame, key: Sequence[str], near: NearDuplicates) -> DataFrame:
    """Give key (a struct), split, shingles and bands of each row of ``df`` that has a text."""
    read = df.where(F.col(near.column).isNotNull() & F.col(SPLIT_COLUMN).isNotNull())
    read = read.select(F.struct(*key).alias(KEY), SPLIT_COLUMN, F.col(near.column).alias(_TEXT))
    longs = [t.StructField(SHINGLES, _LONGS), t.StructField(BANDS, _LONGS)]
    fields = [read.schema[KEY], read.schema[SPLIT_COLUMN], *longs]
    return read.mapInArrow(_Hasher(near), t.StructType(fields))


def find_near(hashed: DataFrame, similarity: float) -> DataFrame:
    """Give each row that is near to another, once for each split that it is near to.

    Args:
        hashed: As ``hash_texts`` gives it; read several times.
        similarity: Least Jaccard similarity of two rows' shingles.

    Returns:
        ``_key``, ``split`` and ``near_split``. Within a split only the rows that follow another
        one that they are near to, in the order of their keys.
    """
    buckets = hashed.select(KEY, SPLIT_COLUMN, F.explode(BANDS).alias(_BAND))
    order = Window.partitionBy(_BAND, SPLIT_COLUMN).orderBy(KEY)
    ranked = buckets.withColumn(_RANK, F.row_number().over(order))
    others = ranked.where(F.col(_RANK) <= _MOST_IN_BUCKET).select(
        F.col(KEY).alias("other"), F.col(SPLIT_COLUMN).alias("near_split"), _BAND
    )
    met = buckets.join(others, on=_BAND, how="inner")
    is_other = (F.col(SPLIT_COLUMN) != F.col("near_split")) | (F.col("other") < F.col(KEY))
    pairs = met.where(is_other).select(KEY, SPLIT_COLUMN, "other", "near_split").distinct()
    mine = hashed.select(KEY, F.col(SHINGLES).alias("mine"))
    theirs = hashed.select(F.col(KEY).alias("other"), F.col(SHINGLES).alias("theirs"))
    compared = pairs.join(mine, on=KEY, how="inner").join(theirs, on="other", how="inner")
    shared = F.size(F.array_intersect("mine", "theirs"))
    is_near = shared / (F.size("mine") + F.size("theirs") - shared) >= similarity
    return compared.where(is_near).select(KEY, SPLIT_COLUMN, "near_split").distinct()


def mark_near(
    marked: DataFrame, found: DataFrame, key: Sequence[str], near: NearDuplicates | NearImages
) -> DataFrame:
    """Change ``_fate`` of kept rows that are near to others, as ``near`` says.

    Args:
        marked: Rows with ``split`` and ``_fate``.
        found: As ``find_near`` gives it.
        key: Columns that name a row.
        near: What becomes of them.

    Returns:
        Rows of ``marked`` with the same columns; only fates differ.
    """
    by_key = found.groupBy(KEY, SPLIT_COLUMN).agg(F.collect_set("near_split").alias("near"))
    place = {name: number for number, name in enumerate(SPLITS)}
    later = {name: [other for other in SPLITS if place[other] > place[name]] for name in SPLITS}
    is_across, is_within = F.lit(False), F.lit(False)
    for name in SPLITS[:-1]:
        is_mine = F.col(SPLIT_COLUMN) == name
        others = F.array(*[F.lit(other) for other in later[name]])
        is_across |= is_mine & F.arrays_overlap("near", others)
        is_within |= is_mine & F.array_contains("near", name)
    fate = F.lit(None).cast("string")
    if near.within == "filter":
        fate = F.when(is_within, NEAR_DUPLICATE)
    if near.across == "filter":
        fate = F.when(is_across, NEAR_OTHER_SPLIT).otherwise(fate)
    told = by_key.select(F.col(KEY).alias("_near_key"), fate.alias("_near_fate"))
    told = told.where(F.col("_near_fate").isNotNull())
    joined = marked.join(told, on=F.struct(*key) == F.col("_near_key"), how="left")
    is_kept = F.col(FATE) == "kept"
    changed = F.when(is_kept, F.coalesce("_near_fate", FATE)).otherwise(F.col(FATE))
    return joined.withColumn(FATE, changed).select(*marked.columns)


def count_near(found: DataFrame) -> dict[str, dict[str, int]]:
    """Count the rows of each split that are near to a row of each split."""
    counts: dict[str, dict[str, int]] = {}
    for row in found.groupBy(SPLIT_COLUMN, "near_split").count().collect():
        counts.setdefault(row[SPLIT_COLUMN], {})[row["near_split"]] = row["count"]
    return counts
