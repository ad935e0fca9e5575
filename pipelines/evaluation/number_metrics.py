"""The arithmetic of the errors of a predicted number, in NumPy, in the label's unit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.metrics import FloatArray

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def rmse(label: FloatArray, given: FloatArray) -> float:
    """Give the root of the mean squared error."""
    return float(np.sqrt(np.mean((given - label.astype(np.float64)) ** 2)))


def number_figures(label: FloatArray, given: FloatArray) -> dict[str, float]:
    """MAE, RMSE, R2 and bias of e = given - label.

    R2 = 1 - sum e^2 / sum (label - mean label)^2 over the same rows: 0 for their mean, below 0 for
    what is worse; 0 too where all labels are equal. Bias is the mean e.

    >>> number_figures(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    {'mae': 1.0, 'rmse': 1.0, 'r2': 0.0, 'bias': 0.0}
    """
    wide = label.astype(np.float64)
    error = given - wide
    spread = float(np.sum((wide - wide.mean()) ** 2))
    return {
        "mae": float(np.mean(np.abs(error))),
        "rmse": rmse(label, given),
        "r2": 1 - float(np.sum(error**2)) / spread if spread else 0.0,
        "bias": float(np.mean(error)),
    }


def number_intervals(
    label: FloatArray, given: FloatArray, seed: int, num_resamples: int
) -> dict[str, tuple[float, float]]:
    """Give the 95% percentile bootstrap interval (Efron, 1979) of each figure.

    Rows are drawn with replacement ``num_resamples`` times from a generator seeded by ``seed``, as
    if none told of another; rows of one series do, and the true interval is then wider.
    """
    wide = label.astype(np.float64)
    shifted, error = wide - wide.mean(), given - wide
    parts = np.stack([np.abs(error), error**2, error, shifted, shifted**2])
    random = np.random.default_rng(seed)
    draws = np.empty((num_resamples, len(parts)))
    for number in range(num_resamples):
        times = np.bincount(random.integers(wide.size, size=wide.size), minlength=wide.size)
        draws[number] = parts @ times / wide.size
    sizes, squares, errors, means, spreads = draws.T
    about_mean = spreads - means**2
    found: dict[str, npt.NDArray[Any]] = {"mae": sizes, "rmse": np.sqrt(squares)}
    found["r2"] = 1 - squares / np.where(about_mean > 0, about_mean, np.inf)
    found["bias"] = errors
    ends = {name: np.percentile(values, [2.5, 97.5]).tolist() for name, values in found.items()}
    return {name: (low, high) for name, (low, high) in ends.items()}


def error_quantiles(label: FloatArray, given: FloatArray) -> dict[str, float]:
    """Give the errors below which 5, 25, 50, 75 and 95 % of all lie."""
    found = np.quantile(given - label.astype(np.float64), _SHARES)
    return {f"{share:.0%}": float(value) for share, value in zip(_SHARES, found, strict=True)}
