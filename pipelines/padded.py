"""Lists of a column as one matrix: the same for training, evaluation and scoring."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def pad_lists(
    lists: "pa.Array | pa.ChunkedArray", length: int, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Cut each list to its first ``length`` items, or pad it with zeros at its end.

    Args:
        lists: A list column of (rows,), neither lists nor items null.
        length: Items of each row of the result.
        dtype: Of the result.

    Returns:
        (rows, length) of ``dtype``, and how many items of each row are the list's, (rows,).
    """
    lengths = pc.call_function("list_value_length", [lists]).to_numpy(zero_copy_only=False)
    values = pc.call_function("list_flatten", [lists]).to_numpy(zero_copy_only=False)
    kept = np.minimum(lengths, length).astype(np.int32)
    padded = np.zeros((len(kept), length), dtype)
    is_there = np.arange(length) < kept[:, None]
    begins = np.cumsum(lengths) - lengths
    padded[is_there] = values[(begins[:, None] + np.arange(length))[is_there]]
    return padded, kept
