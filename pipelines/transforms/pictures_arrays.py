"""Images for the features table, on Arrow columns: one size, one lossless format.

All that reads the table decodes the same pixels: two decoders of JPEG differ by a few levels, those
of PNG do not. What was a JPEG becomes about three times as large.
"""

from dataclasses import dataclass

import pyarrow as pa

from pipelines.pictures import open_picture, to_png
from schemas.encode import Picture


@dataclass(frozen=True, slots=True)
class Channels:
    """Mean and standard deviation of each channel over all pixels, in levels of 0 to 255."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]


def encode_pictures(contents: pa.Array, item: Picture) -> pa.Array:
    """Give (rows,) images as PNG files of the size that the encoding says."""
    made = [to_png(open_picture(content, item.shape)) for content in contents.to_pylist()]
    return pa.array(made, pa.binary())
