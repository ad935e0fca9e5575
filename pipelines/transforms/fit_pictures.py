"""Learn mean and deviation of the channels of images from the training split."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.pictures import open_picture
from pipelines.transforms.pictures_arrays import Channels
from schemas.contract import ContractError
from schemas.encode import Picture
from schemas.feature_columns import picture_name

_ROWS = "item int, channel int, num_pixels long, total long, squares long"
_ROWS_SCHEMA = pa.schema(
    [("item", pa.int32()), ("channel", pa.int32()), ("num_pixels", pa.int64()),
     ("total", pa.int64()), ("squares", pa.int64())]
)  # fmt: skip
_DIGITS = 10


def fit_pictures(train: DataFrame, items: Sequence[Picture]) -> dict[str, Channels]:
    """Learn the moments of each channel from the rows of the training split; one Spark job.

    Sums of whole numbers are exact, so no order of tasks changes a digit.

    Raises:
        ContractError: There are no images.
    """
    if not items:
        return {}
    columns = [F.col(item.column).alias(f"_{place}") for place, item in enumerate(items)]
    sums = train.select(*columns).mapInArrow(_Summer(tuple(items)), _ROWS)
    rows = sums.groupBy("item", "channel").agg(
        F.sum("num_pixels").alias("n"), F.sum("total").alias("total"),
        # of many images it is beyond 64 bits
        F.sum(F.col("squares").cast("decimal(38,0)")).alias("squares"),
    ).collect()  # fmt: skip
    found: dict[str, Channels] = {}
    for place, item in enumerate(items):
        mine = sorted((row for row in rows if row["item"] == place), key=lambda row: row["channel"])
        if not mine:
            raise ContractError(
                f"images {item.column}: expected some in the training split; there are none"
            )
        moments = [_moments(row["n"], row["total"], int(row["squares"])) for row in mine]
        found[picture_name(item)] = Channels(*(tuple(part) for part in zip(*moments, strict=True)))
    return found


@dataclass(frozen=True, slots=True)
class _Summer:
    """Add up the pixels of one task's images; called in Spark's Python workers."""

    items: tuple[Picture, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows: list[tuple[int, ...]] = []
            for place, item in enumerate(self.items):
                sums = np.zeros((item.shape.channels, 3), np.int64)
                for content in batch[f"_{place}"]:
                    pixels = open_picture(content.as_py(), item.shape).astype(np.int64)
                    flat = pixels.reshape(-1, item.shape.channels)
                    sums += np.stack(
                        [np.full(len(sums), len(flat)), flat.sum(0), (flat**2).sum(0)], 1
                    )
                rows += [(place, number, *map(int, part)) for number, part in enumerate(sums)]
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array(list(part), f.type) for part, f in zip(columns, _ROWS_SCHEMA, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=_ROWS_SCHEMA)


def _moments(num: int, total: int, squares: int) -> tuple[float, float]:
    mean = total / num
    # whole numbers: the difference of two large sums is exact
    variance = (squares * num - total * total) / (num * num)
    return _round(mean), _round(variance**0.5) or 1.0


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
