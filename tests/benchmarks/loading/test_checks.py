"""What the loading benchmark takes for the same rows and images, and what not."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.benchmarks.loading.images.sameness import Sameness
from tests.benchmarks.loading.worker import Way, check

ROWS = np.arange(12, dtype=np.int32).reshape(6, 2)


def found(*batches: NDArray[Any]) -> dict[str, Any]:
    return check(Way(lambda: iter(batches), lambda batch: [batch]))


def test_neither_order_nor_batches_change_what_is_found() -> None:
    assert found(ROWS) == found(ROWS[[5, 1, 3]], ROWS[[0, 2]], ROWS[[4]])
    assert found(ROWS)["rows"] == 6


@pytest.mark.parametrize(
    "others",
    [ROWS[:5], ROWS[[0, 1, 2, 3, 4, 4]], ROWS[:, ::-1], ROWS + np.eye(6, 2, dtype=np.int32)],
    ids=["one missing", "one twice instead of another", "columns swapped", "two numbers differ"],
)
def test_other_rows_are_found_out(others: NDArray[Any]) -> None:
    assert found(others) != found(ROWS)


def picture(number: int) -> NDArray[np.uint8]:
    """Give a red and green ramp; blue is the image's number."""
    ramp = np.arange(0, 256, 8, dtype=np.uint8)
    blue = np.full((32, 32), 40 * number, np.uint8)
    return np.stack([*np.meshgrid(ramp, ramp // 2), blue], axis=2)


def decoded(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def jpegs(tmp_path: Path) -> tuple[Path, list[bytes]]:
    contents: list[bytes] = []
    for number in range(4):
        encoded = io.BytesIO()
        Image.fromarray(picture(number)).save(encoded, "JPEG", quality=90)
        contents.append(encoded.getvalue())
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"row": pa.array(range(4), pa.int32()), "image": contents}), path)
    return path, contents


@pytest.mark.parametrize(
    ("change", "different"),
    [
        (lambda pixels: pixels, 0),
        (lambda pixels: pixels ^ 1, 0),  # as decoders differ, by a level
        (lambda pixels: pixels[::-1], 4),
        (lambda pixels: pixels[..., ::-1], 4),
        (lambda pixels: pixels[:, ::-1], 4),
        (lambda pixels: pixels[:, :31], 4),
        (lambda pixels: pixels.astype(np.int32), 4),
    ],
    ids=["as it is", "rounded", "another's", "colours", "upside down", "cut off", "other type"],
)
def test_images_are_held_against_pillows(
    jpegs: tuple[Path, list[bytes]],
    change: Callable[[NDArray[np.uint8]], NDArray[Any]],
    different: int,
) -> None:
    path, contents = jpegs
    pixels = change(np.stack([decoded(content) for content in contents]))
    rows, labels = np.arange(4), np.array([7, 8, 9, 7])
    sameness = Sameness([str(path)])
    (numbers,) = sameness.arrays(rows, labels, pixels)
    assert numbers[:, :2].tolist() == [[0, 7], [1, 8], [2, 9], [3, 7]]
    assert numbers[:, 2].tolist() == [int(not different)] * 4
    assert sameness.remarks()["different"] == different


def test_an_image_of_a_row_that_is_not_in_the_table_differs(
    jpegs: tuple[Path, list[bytes]],
) -> None:
    path, contents = jpegs
    sameness = Sameness([str(path)])
    sameness.arrays(np.array([4]), np.array([7]), decoded(contents[0])[None])
    assert sameness.remarks()["different"] == 1
