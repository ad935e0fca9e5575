"""Mean, spread and range of a column, joined from parts so that nothing cancels."""

from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Moments(NamedTuple):
    """How many numbers, their mean, sum of squares about it, least and greatest."""

    num: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @property
    def deviation(self) -> float:
        """Standard deviation of the population."""
        return (self.squares / self.num) ** 0.5


def measure(values: NDArray[np.float64]) -> Moments:
    """Give the moments of ``values``, shape (rows,); NaN and the infinities are left out."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Moments()
    mean = float(known.mean())
    squares = float(np.square(known - mean).sum())
    return Moments(known.size, mean, squares, float(known.min()), float(known.max()))


def merge(first: Moments, second: Moments) -> Moments:
    """Join two parts: Chan, Golub, LeVeque, Algorithms for computing the sample variance (1983)."""
    if not first.num or not second.num:
        return first if first.num else second
    num, apart = first.num + second.num, second.mean - first.mean
    return Moments(
        num,
        first.mean + apart * second.num / num,
        first.squares + second.squares + apart**2 * first.num * second.num / num,
        min(first.low, second.low),
        max(first.high, second.high),
    )


def merge_all(parts: list[Moments]) -> Moments:
    """Join parts in their own order, so that the sum is the same whichever came first."""
    return reduce(merge, sorted(parts), Moments())
