"""Images as pixels: what is read, and what is refused by its header or its bytes."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.pictures import from_png, open_picture, picture_fault, to_png
from schemas.image import ImageShape

SHAPE = ImageShape(8, 10)
ANY_SIZE = ImageShape(8, 10, is_exact=False, max_pixels=400)


def _pixels(height: int = 8, width: int = 10, channels: int = 3) -> Any:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def _file(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def _says(width: int, height: int) -> bytes:
    """A PNG of which there is a header alone, which may say anything."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    made = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


_PNG = to_png(_pixels())
_JPEG = _file(Image.fromarray(_pixels()), "JPEG")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_loses_nothing_and_every_reader_sees_the_same(channels: int) -> None:
    pixels = _pixels(channels=channels)
    content = to_png(pixels)
    assert np.array_equal(open_picture(content, ImageShape(8, 10, channels)), pixels)
    assert np.array_equal(from_png([content, content], (8, 10, channels))[1], pixels)
    decoded: Any = tf.io.decode_image(content, channels, expand_animations=False)
    assert np.array_equal(decoded.numpy(), pixels)


def test_planes_are_laid_side_by_side() -> None:
    shape = ImageShape(2, 3, layout="planes")
    content = bytes(range(18))
    pixels = open_picture(content, shape)
    assert pixels[0, 1].tolist() == [1, 7, 13]
    assert pixels[1, 0].tolist() == [3, 9, 15]
    assert picture_fault(content[1:], shape) == "bytes: expected 18; got 17"


def test_another_size_is_resized_where_that_is_allowed() -> None:
    grey = Image.new("RGB", (20, 16), (10, 20, 30))
    assert open_picture(_file(grey), ANY_SIZE)[3, 3].tolist() == [10, 20, 30]
    assert picture_fault(_file(grey), SHAPE) == ("dimensions: expected 10 x 8 pixels; got 20 x 16")


@pytest.mark.parametrize(
    ("content", "shape", "expected"),
    [
        (b"", SHAPE, "no_image: expected a JPEG, PNG or BMP; 0 bytes begin with 0x"),
        (b"<svg></svg>", SHAPE, "no_image: expected a JPEG, PNG or BMP; 11 bytes begin with 0x3c"),
        (_file(Image.new("RGB", (10, 8)), "GIF"), SHAPE, "no_image: expected a JPEG"),
        (_file(Image.new("L", (10, 8))), SHAPE, "channels: expected 3; got 1 (L)"),
        (_file(Image.new("RGBA", (10, 8))), SHAPE, "channels: expected 3; got 4 (RGBA)"),
        (_file(Image.new("CMYK", (10, 8)), "JPEG"), SHAPE, "channels: expected 3; got 4 (CMYK)"),
        (_PNG[:-30], SHAPE, "damaged: expected an image to its end;"),
        (_JPEG[:-60], SHAPE, "damaged: expected an image to its end;"),
        (_says(20, 21), ANY_SIZE, "too_many_pixels: expected at most 400; its header says 20 x 21"),
        (_says(10_000, 10_000), ANY_SIZE, "too_many_pixels: expected at most 400; its header"),
        (_says(100_000, 100_000), ANY_SIZE, "too_many_pixels: Image size (10000000000 pixels)"),
        (_says(10, 8), SHAPE, "damaged: expected an image to its end;"),
    ],
)
def test_what_is_no_image_is_said(content: bytes, shape: ImageShape, expected: str) -> None:
    assert picture_fault(content, shape).startswith(expected)


def test_a_bomb_is_refused_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        raise AssertionError("unpacked")

    monkeypatch.setattr(Image.Image, "load", load)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert picture_fault(_says(50_000, 50_000), ANY_SIZE).startswith("too_many_pixels")
    with pytest.raises(AssertionError, match="unpacked"):
        picture_fault(_PNG, SHAPE)
