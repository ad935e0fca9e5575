"""Whether images that a way delivered are those of the table.

Decoders of JPEG differ by rounding (TensorFlow takes libjpeg's fast inverse transform, OpenCV and
Pillow the exact one), so pixels are held against Pillow's of the same JPEG: on average over an
image they may differ by 3 of 255 levels. Another image, or one whose colours are swapped, differs
by tens. Row numbers and labels must be equal. This module runs in the peers' environment too.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

_TOLERANCE = 3.0


class Sameness:
    """Holds what a way delivered against the table.

    Args:
        files: The table's.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._jpegs: dict[int, bytes] = {}
        self._worst, self._different = 0.0, 0

    def arrays(self, rows: Any, labels: Any, pixels: Any) -> list[Any]:
        """Give (n, 3) int32 for n images: row, label, and 1 where the pixels are the row's.

        Args:
            rows: Their rows in the table, (n,).
            labels: (n,).
            pixels: (n, height, width, 3), uint8.
        """
        same = [self._is_same(int(row), one) for row, one in zip(rows, pixels, strict=True)]
        self._different += same.count(False)
        return [np.stack([rows, labels, same], axis=1).astype(np.int32)]

    def remarks(self) -> dict[str, float]:
        """Give the number of other images, and the greatest mean difference, in levels of 255."""
        return {"different": self._different, "worst_mean_difference": round(self._worst, 3)}

    def _is_same(self, row: int, pixels: Any) -> bool:
        if not self._jpegs:
            for file in self._files:
                read = pq.ParquetFile(file).read(columns=["row", "image"]).to_pydict()
                self._jpegs |= dict(zip(read["row"], read["image"], strict=True))
        if row not in self._jpegs:
            return False
        expected = np.asarray(Image.open(io.BytesIO(self._jpegs[row])))
        if expected.shape != pixels.shape or pixels.dtype != np.uint8:
            return False
        difference = float(np.abs(expected.astype(np.int16) - pixels).mean())
        self._worst = max(self._worst, difference)
        return difference <= _TOLERANCE
