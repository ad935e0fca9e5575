"""Learn the vocabulary of texts from the training split."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.transforms.tokens_arrays import count_texts
from schemas.contract import ContractError
from schemas.encode import Tokens
from schemas.feature_columns import tokens_name

_COUNTS = "item int, word string, num_texts long"


@dataclass(frozen=True, slots=True)
class _Counter:
    """Count the words of one task's texts; called in Spark's Python workers."""

    items: tuple[Tokens, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number, item in enumerate(self.items):
                words, counts = count_texts(batch[item.column], item)
                arrays = [pa.array([number] * len(words), pa.int32()), pa.array(words, pa.string())]
                arrays.append(pa.array(counts, pa.int64()))
                yield pa.RecordBatch.from_arrays(arrays, ["item", "word", "num_texts"])


def fit_tokens(train: DataFrame, items: Sequence[Tokens]) -> dict[str, tuple[str, ...]]:
    """Give the words of each feature by falling number of texts in ``train``, ties by the word.

    One Spark job; only counts of words leave the tasks.

    Raises:
        ContractError: No word of a column is frequent enough.
    """
    if not items:
        return {}
    columns = dict.fromkeys(item.column for item in items)
    texts = train.select(*[F.col(name).cast("string").alias(name) for name in columns])
    counted = texts.mapInArrow(_Counter(tuple(items)), _COUNTS)
    counts = counted.groupBy("item", "word").agg(F.sum("num_texts").alias("num_texts"))
    limits = F.array(*[F.struct(F.lit(i.max_size), F.lit(i.min_count)) for i in items])
    limit = F.element_at(limits, F.col("item") + 1)
    order = Window.partitionBy("item").orderBy(F.desc("num_texts"), F.asc("word"))
    frequent = counts.where(F.col("num_texts") >= limit["col2"])
    ranked = frequent.withColumn("rank", F.row_number().over(order))
    found = ranked.where(F.col("rank") <= limit["col1"]).orderBy("item", "rank").collect()
    fitted: dict[str, tuple[str, ...]] = {}
    for number, item in enumerate(items):
        words = tuple(row["word"] for row in found if row["item"] == number)
        if not words:
            raise ContractError(
                f"tokens of {item.column}: expected words that are in {item.min_count} texts of "
                "the training split or more; there is none. Lower min_count, or look at the texts"
            )
        fitted[tokens_name(item)] = words
    return fitted
