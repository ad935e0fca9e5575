"""Images as pixels and back: what Spark checks and encodes, and evaluation decodes.

Pillow reads a header without unpacking the pixels behind it, so a file of a few kilobytes that says
100,000 by 100,000 is refused for its word (CWE-409).
"""

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from schemas.image import ImageShape

Pixels: TypeAlias = NDArray[np.uint8]
_FORMATS = ("JPEG", "PNG", "BMP")
_CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 3, "RGB": 3, "RGBA": 4, "CMYK": 4, "I": 1, "I;16": 1}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_SHOWN_BYTES = 8


class PictureError(Exception):
    """What comes is no image of the shape; ``rule`` is a short word, the message what came."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")


def open_picture(content: bytes, shape: ImageShape) -> Pixels:
    """Give the pixels of an image, (height, width, channels), resized where the shape allows it.

    Raises:
        PictureError: It has another number of bytes, is no image that is read, has other channels,
            another size or too many pixels, or can't be decoded to its end.
    """
    if shape.layout == "planes":
        if len(content) != shape.num_bytes:
            raise PictureError("bytes", f"expected {shape.num_bytes}; got {len(content)}")
        planes = np.frombuffer(content, np.uint8).reshape(shape.channels, shape.height, shape.width)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
    image = _opened(content, shape)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise PictureError("damaged", f"expected an image to its end; {error}") from error
    image = image.convert(_MODES[shape.channels])
    if image.size != (shape.width, shape.height):
        image = image.resize((shape.width, shape.height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(shape.sizes)


def picture_fault(content: bytes, shape: ImageShape) -> str:
    """Give why ``content`` is no image of ``shape``, as ``rule: what came``; empty if it is one."""
    try:
        open_picture(content, shape)
    except PictureError as error:
        return str(error)
    return ""


def to_png(pixels: Pixels) -> bytes:
    """Give (height, width, channels) as a PNG file, which loses nothing."""
    buffer = BytesIO()
    shown = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(shown)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def from_png(contents: Sequence[bytes], shape: tuple[int, ...]) -> Pixels:
    """Give PNG files of ``shape`` (height, width, channels) as (files, height, width, channels)."""
    made = np.empty((len(contents), *shape), np.uint8)
    for place, content in enumerate(contents):
        with Image.open(BytesIO(content), formats=("PNG",)) as image:
            made[place] = np.asarray(image, np.uint8).reshape(shape)
    return made


def _opened(content: bytes, shape: ImageShape) -> Image.Image:
    """Read the header of an image and hold it to ``shape``."""
    try:
        with warnings.catch_warnings():
            # of many pixels: they are counted below
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError("too_many_pixels", f"{error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        begins = content[:_SHOWN_BYTES].hex()
        detail = f"expected a JPEG, PNG or BMP; {len(content)} bytes begin with 0x{begins}"
        raise PictureError("no_image", detail) from error
    width, height = image.size
    if width * height > shape.max_pixels:
        detail = f"expected at most {shape.max_pixels:,}; its header says {width} x {height}"
        raise PictureError("too_many_pixels", detail)
    if (came := _CHANNELS.get(image.mode, 0)) != shape.channels:
        detail = f"expected {shape.channels}; got {came or image.mode} ({image.mode})"
        raise PictureError("channels", detail)
    if shape.is_exact and image.size != (shape.width, shape.height):
        detail = f"expected {shape.width} x {shape.height} pixels; got {width} x {height}"
        raise PictureError("dimensions", detail)
    return image
