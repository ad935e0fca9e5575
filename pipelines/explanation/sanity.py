"""Whether an explanation depends on what was learned at all.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps" (arXiv 1810.03292), 3: a map that stays as it
was when the weights are shuffled explains the input's edges, not the network.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]


def rank_correlation(one: FloatArray, other: FloatArray) -> float | None:
    """Give Spearman's rank correlation of two arrays of (n,); None where one of them is flat."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:  # noqa: PLR2004
        return None
    found: Any = stats.spearmanr(one, other)
    return float(found.statistic)


def mean_rank_correlation(one: FloatArray, other: FloatArray) -> float | None:
    """Give the mean over rows of Spearman's rank correlation of two maps' sizes; 1 if they agree.

    Args:
        one: (rows, ...); its zeros, such as padding, count nowhere.
        other: The same shape.

    Returns:
        None if no row has two values that differ in both.
    """
    found = [
        rank_correlation(first[first != 0], second[first != 0])
        for first, second in zip(np.abs(one), np.abs(other), strict=True)
    ]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None
