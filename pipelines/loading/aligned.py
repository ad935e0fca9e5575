"""Memory of numpy that TensorFlow can take over as it is, without a copy.

TensorFlow's kernels expect tensors at addresses that are multiples of 64 (EIGEN_MAX_ALIGN_BYTES),
and its import by DLPack does not check it; numpy's own memory is aligned to 16.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_ALIGNMENT = 64


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Give memory like ``numpy.empty``, at an address that is a multiple of 64."""
    if np.dtype(dtype).hasobject:
        return np.empty(shape, dtype)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -_address(memory) % _ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


def aligned_stack(count: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Give (count, *shape), each of the ``count`` arrays as ``aligned_empty`` would."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not size or np.dtype(dtype).hasobject:
        return np.empty((count, *shape), dtype)
    memory = aligned_empty((count, -(-size // _ALIGNMENT) * _ALIGNMENT), np.uint8)
    return memory[:, :size].view(dtype).reshape(count, *shape)


def to_tensor(array: NDArray[Any]) -> Any:
    """Give numbers as a tensor: aligned memory as it is, to be left alone from then on.

    Other arrays are copied.
    """
    if array.size and array.flags.c_contiguous and _address(array) % _ALIGNMENT == 0:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.constant(array)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
