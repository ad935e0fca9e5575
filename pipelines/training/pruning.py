"""Prune while training: set the least weights to zero, more and more of them, and keep them so.

Zhu and Gupta 2017, "To prune, or not to prune: exploring the efficacy of pruning for model
compression", arXiv 1710.01878, equation 1 with t0 = 0 and no sparsity at first. Which weights go is
a function of the weights alone, and these have the same bits on all ranks, so the masks have too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.training.objective import is_kernel

# looks at all weights while the sparsity rises; between two, the masks stay
_UPDATES = 100


@dataclass(frozen=True, slots=True)
class Sparsity:
    """How many weights become zero, and when.

    Args:
        share: Of the weights of kernels and embeddings, those that are zero in the end; 0: none.
        until: Share of all steps after which there are as many.
        is_global: Whether the least weights of all layers go, or as many of each layer.
    """

    share: float = 0.0
    until: float = 0.6
    is_global: bool = False

    def last_step(self, num_steps: int) -> int:
        """Give the step, of ``num_steps``, after which the share is reached."""
        return max(1, math.floor(self.until * num_steps + 0.5)) if self.share else 0

    def after(self, step: int, num_steps: int) -> float:
        """Give the share of zeros after ``step`` steps: s (1 - (1 - step / last)^3).

        >>> [round(Sparsity(0.8, 0.5).after(step, 20), 3) for step in (0, 1, 5, 10, 20)]
        [0.0, 0.217, 0.7, 0.8, 0.8]
        """
        left = 1 - min(1.0, step / max(1, self.last_step(num_steps)))
        return self.share * (1 - left**3)


class Pruning:
    """The masks of one training.

    Args:
        variables: Trainable; its kernels and embeddings are pruned, neither biases nor what
            normalises.
        sparsity: How many, and when.
        num_steps: Of the whole training.
    """

    def __init__(self, variables: Sequence[Any], sparsity: Sparsity, num_steps: int) -> None:
        self._sparsity, self._num_steps = sparsity, num_steps
        self._last = sparsity.last_step(num_steps)
        self._every = max(1, self._last // _UPDATES)
        self._kernels = [v for v in variables if sparsity.share and is_kernel(v)]
        self.masks: list[Any] = [
            keras.Variable(
                np.ones(kernel.shape, np.bool_), dtype="bool", trainable=False,
                name=f"kept_{number}",
            )
            for number, kernel in enumerate(self._kernels)
        ]  # fmt: skip

    def apply(self) -> None:
        """Set what is masked to zero; works inside a ``tf.function``."""
        for kernel, mask in zip(self._kernels, self.masks, strict=True):
            kernel.assign(tf.where(mask.value, kernel.value, tf.zeros_like(kernel.value)))

    def after_step(self, done: int) -> None:
        """Mask more weights, if it is time for it.

        Args:
            done: Steps that are done, of the whole training.
        """
        if not self._kernels or done > self._last or (done % self._every and done < self._last):
            return
        share = self._sparsity.after(done, self._num_steps)
        sizes: list[NDArray[Any]] = [abs(kernel.numpy()) for kernel in self._kernels]
        for mask, kept in zip(self.masks, keep_greatest(sizes, share, self._sparsity), strict=True):
            mask.assign(kept)
        self.apply()

    def is_done(self, done: int) -> bool:
        """Whether as many weights are zero as were asked for, after ``done`` steps."""
        return done >= self._last


def count_zeros(variables: Sequence[Any]) -> dict[str, int]:
    """Give how many weights kernels and embeddings have, ``of``, and how many are ``zero``."""
    kernels = [variable.numpy() for variable in variables if is_kernel(variable)]
    zero = sum(int(np.sum(kernel == 0)) for kernel in kernels)
    return {"zero": zero, "of": sum(kernel.size for kernel in kernels)}


def keep_greatest(
    sizes: Sequence[NDArray[Any]], share: float, sparsity: Sparsity
) -> list[NDArray[np.bool_]]:
    """Say of each weight whether it is kept; exactly round(share n) of n weights are not.

    What is zero goes first, so a weight that was masked stays so.

    Args:
        sizes: Absolute values of the weights of each layer.
        share: Of the weights, those that go.
        sparsity: Whether they are counted by layer or together.
    """
    if not sparsity.is_global:
        return [_keep(size.ravel(), share).reshape(size.shape) for size in sizes]
    together = _keep(np.concatenate([size.ravel() for size in sizes]), share)
    parts = np.split(together, np.cumsum([size.size for size in sizes])[:-1])
    return [part.reshape(size.shape) for part, size in zip(parts, sizes, strict=True)]


def _keep(sizes: NDArray[Any], share: float) -> NDArray[np.bool_]:
    num_gone = math.floor(share * sizes.size + 0.5)
    kept = np.ones(sizes.size, np.bool_)
    if num_gone:
        kept[np.argpartition(sizes, num_gone - 1)[:num_gone]] = False
    return kept
