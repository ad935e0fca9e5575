"""Images in a column: what each must be, so that a network can take them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_MOST_CHANNELS = 4


@dataclass(frozen=True, slots=True)
class ImageShape:
    """Height and width in pixels, and 1 (grey), 3 (red, green, blue) or 4 channels (and alpha).

    By its ``layout`` an image is a ``file`` (JPEG, PNG or BMP), or raw ``planes``: a byte for each
    pixel, row by row, one channel after the other.

    A file of another size is malformed; unless ``is_exact``, it is taken, and resized for the
    features table. One of more than ``max_pixels`` is malformed, which its header says before
    anything is unpacked.
    """

    height: int
    width: int
    channels: int = 3
    layout: Literal["file", "planes"] = "file"
    is_exact: bool = True
    max_pixels: int = 2**24

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    @property
    def num_bytes(self) -> int:
        """Bytes of the pixels."""
        return self.height * self.width * self.channels


def bad_image(name: str, shape: ImageShape) -> Iterator[str]:
    """Say what is wrong with the shape of the images of a column, one phrase for each mistake."""
    if shape.height < 1 or shape.width < 1 or shape.channels not in (1, 3, _MOST_CHANNELS):
        yield f"column {name}: expected sizes above 0 and 1, 3 or 4 channels; got {shape.sizes}"
    if shape.max_pixels < shape.height * shape.width:
        yield f"column {name}: expected max_pixels of its own size at least; got {shape.max_pixels}"
