"""Hash images so that those that look alike can be found as texts that are nearly copies are.

A difference hash (N. Krawetz 2013, "Kind of Like That", hackerfactor.com): the image in grey, 17 by
16 points, and for each two neighbours whether the right one is lighter: 256 bits. Of two hashes
that differ in d bits, d + 1 pieces of one can't all differ from those of the other: no pair is
missed, but where more than fifty images share a piece.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as t

from pipelines.pictures import Pixels, open_picture
from pipelines.transforms.near_duplicates import BANDS, KEY, SHINGLES
from schemas.contract import SPLIT_COLUMN
from schemas.image import ImageShape
from schemas.near import HASH_BITS, NearImages

_SIDE = 16
_IMAGE, _DIGEST = "_image", "_digest"
_LONGS = t.ArrayType(t.LongType())
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def hash_images(
    df: DataFrame, key: Sequence[str], near: NearImages, shape: ImageShape
) -> DataFrame:
    """Give key (a struct), split, bits and bands of each row of ``df``, and a digest of its pixels.

    Bits are said as a set: 2 i, or 2 i + 1 where bit i is set. Of sets that share s of 256, the
    Jaccard similarity is s / (512 - s), so a distance is a similarity, see ``NearImages``.
    """
    read = df.where(F.col(near.column).isNotNull() & F.col(SPLIT_COLUMN).isNotNull())
    read = read.select(F.struct(*key).alias(KEY), SPLIT_COLUMN, F.col(near.column).alias(_IMAGE))
    made = [t.StructField(SHINGLES, _LONGS), t.StructField(BANDS, _LONGS)]
    fields = [read.schema[KEY], read.schema[SPLIT_COLUMN], *made]
    digest = t.StructField(_DIGEST, t.StringType())
    return read.mapInArrow(_Hasher(near, shape), t.StructType([*fields, digest]))


def count_same(hashed: DataFrame) -> dict[str, dict[str, int]]:
    """Count rows of each split whose pixels are those of a row of each split.

    Within a split, of rows that are the same all but one count.
    """
    groups = hashed.groupBy(_DIGEST, SPLIT_COLUMN).agg(F.count(F.lit(1)).alias("n"))
    others = groups.select(_DIGEST, F.col(SPLIT_COLUMN).alias("other"))
    met = groups.join(others, on=_DIGEST, how="inner")
    num = F.when(F.col(SPLIT_COLUMN) == F.col("other"), F.col("n") - 1).otherwise(F.col("n"))
    counts: dict[str, dict[str, int]] = {}
    for row in met.groupBy(SPLIT_COLUMN, "other").agg(F.sum(num).alias("n")).collect():
        if row["n"]:
            counts.setdefault(row[SPLIT_COLUMN], {})[row["other"]] = row["n"]
    return counts


def difference_bits(pixels: Pixels) -> NDArray[np.bool_]:
    """Give the 256 bits of an image, (height, width, channels)."""
    colours = pixels[..., :3]
    grey = colours @ np.array(_GREY) if colours.shape[-1] == len(_GREY) else colours[..., 0]
    image = Image.fromarray(np.asarray(grey, np.float32))
    small = np.asarray(image.resize((_SIDE + 1, _SIDE), Image.Resampling.BILINEAR))
    return (small[:, 1:] > small[:, :-1]).ravel()


def bands_of(bits: NDArray[np.bool_], distance: int) -> list[int]:
    """Cut bits into ``distance`` + 1 pieces, each with its place, as one number of 63 bits."""
    pieces = np.array_split(bits, distance + 1)
    packed = [np.packbits(piece).tobytes() for piece in pieces]
    return [_number(place, content) for place, content in enumerate(packed)]


def _number(place: int, content: bytes) -> int:
    digest = hashlib.blake2b(place.to_bytes(2, "big") + content, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True)
class _Hasher:
    """Hash the images of one task; called in Spark's Python workers."""

    near: NearImages
    shape: ImageShape

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sets: list[list[int]] = []
            bands: list[list[int]] = []
            digests: list[str] = []
            for content in batch[_IMAGE]:
                pixels = open_picture(content.as_py(), self.shape)
                bits = difference_bits(pixels)
                sets.append((2 * np.arange(HASH_BITS) + bits).tolist())
                bands.append(bands_of(bits, self.near.distance))
                digests.append(hashlib.sha256(pixels.tobytes()).hexdigest())
            longs = pa.list_(pa.int64())
            made = [pa.array(sets, longs), pa.array(bands, longs), pa.array(digests)]
            names = [KEY, SPLIT_COLUMN, SHINGLES, BANDS, _DIGEST]
            yield pa.RecordBatch.from_arrays([batch[KEY], batch[SPLIT_COLUMN], *made], names)
