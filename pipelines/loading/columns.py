"""The columns that a model takes, and the arrays that batches of them are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.encode import FeatureColumn, FeatureSet, length_name

_WIDTHS = 4
NUMERIC, CATEGORICAL, LABEL = "numeric", "categorical", "label"


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of lists, given to the model as one input (rows, ``length``).

    Args:
        name: The column, a list of int32 or float32.
        length: Items of each row's input.
        size: Number of codes of an int32 list, which lie in [0, size); 0 for a float32 list.
        is_fixed: Every list has exactly ``length`` items. Otherwise a list is cut to its first
            ``length`` items or padded with zeros, and the number of items that are left is a
            further input, ``<name>_length``, (rows,) int32.
    """

    name: str
    length: int
    size: int = 0
    is_fixed: bool = False

    @property
    def dtype(self) -> Any:
        """Type of the items."""
        return np.int32 if self.size else np.float32

    @property
    def widths(self) -> tuple[int, ...]:
        """Lengths that a batch may be cut to: few, for a graph is made for each; none if fixed."""
        if self.is_fixed:
            return ()
        step = -(-self.length // _WIDTHS)
        return tuple(min(step * number, self.length) for number in range(1, _WIDTHS + 1))


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """A column of encoded images (JPEG, PNG, BMP), given as (rows, height, width, channels) uint8.

    An image of another size is resized, bilinear with antialiasing. ``means`` are those of its
    channels over the training split, if they are known.
    """

    name: str
    height: int
    width: int
    channels: int = 3
    means: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels


@dataclass(frozen=True, slots=True)
class Field:
    """One array of a batch: its name, the shape of a row and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: Any

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in memory; of an encoded image none, its file's own count."""
        is_object = np.dtype(self.dtype).hasobject
        return 0 if is_object else int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def zeros(self, rows: int) -> NDArray[Any]:
        """Give (rows, *shape) of zeros, or of empty byte strings."""
        if np.dtype(self.dtype).hasobject:
            return np.full(rows, b"", object)
        return np.zeros((rows, *self.shape), self.dtype)


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns that a model takes, in the order of its matrices.

    ``sizes`` holds the number of codes of each categorical column: codes lie in [0, size), and
    labels in [0, num_classes). With ``num_classes`` 0 the label is a number, float32.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    sizes: tuple[int, ...]
    label: str
    lists: tuple[ListColumn, ...] = ()
    images: tuple[ImageColumn, ...] = ()
    num_classes: int = 2

    @classmethod
    def of(cls, features: FeatureSet, max_tokens: int = 0) -> "InputColumns":
        """Give the columns of a features table; of lists of tokens the first ``max_tokens``."""
        lists = [
            ListColumn(item.name, min(item.length, max_tokens or item.length), item.size)
            for item in features.tokens
        ]
        return cls(
            features.numeric,
            features.categorical,
            features.sizes,
            features.label,
            tuple(lists),
            tuple(_image_column(item) for item in features.images),
            num_classes=features.target.num_classes,
        )

    @property
    def label_dtype(self) -> Any:
        """Type of the labels."""
        return np.int32 if self.num_classes else np.float32

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Arrow type expected of each column."""
        types = dict.fromkeys(self.numeric, pa.float32())
        types |= dict.fromkeys(self.categorical, pa.int32())
        types[self.label] = pa.from_numpy_dtype(self.label_dtype)
        types |= {column.name: pa.list_(pa.from_numpy_dtype(column.dtype)) for column in self.lists}
        return types | {column.name: pa.binary() for column in self.images}

    @property
    def fields(self) -> tuple[Field, ...]:
        """The arrays of decoded rows; images are still encoded there."""
        fields = [
            Field(NUMERIC, (len(self.numeric),), np.float32),
            Field(CATEGORICAL, (len(self.categorical),), np.int32),
            Field(LABEL, (), self.label_dtype),
        ]
        for column in self.lists:
            fields.append(Field(column.name, (column.length,), column.dtype))
            if not column.is_fixed:
                fields.append(Field(length_name(column.name), (), np.int32))
        fields += [Field(column.name, (), object) for column in self.images]
        return tuple(fields)


def _image_column(item: FeatureColumn) -> ImageColumn:
    height, width, channels = item.shape
    return ImageColumn(item.name, height, width, channels, item.means)
