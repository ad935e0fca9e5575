"""What each group adds to what a model says of one row, so that the parts sum to the whole.

Shapley values (Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions",
arXiv 1705.07874) by sampled orders: Castro, Gómez and Tejada 2009; Štrumbelj and Kononenko 2014,
"Explaining prediction models and individual predictions with feature contributions". Each order is
walked forth and back (Mitchell et al. 2022, "Sampling Permutations for Shapley Value Estimation",
JMLR 23, 43: antithetic pairs). Absent groups have the values of a background row: the
interventional kind, which is about the model and takes columns apart that the data keep together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.errors import ParameterError
from pipelines.explanation.groups import Group, Matrix

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one row: ``base`` + sum of ``values`` = ``said``, to rounding.

    ``values`` (groups,) and their standard ``errors`` over the background rows; ``base`` is the
    mean of what the model says of these.
    """

    base: float
    said: float
    values: FloatArray
    errors: FloatArray


def shapley_values(
    row: Matrix,
    background: Matrix,
    groups: Sequence[Group],
    say: Callable[[Matrix], FloatArray],
    seed: int,
) -> Shares:
    """Share out what ``say`` gives for ``row`` less its mean over ``background``.

    One order, forth and back, for each background row; with more of them the errors shrink as one
    over the root of their number.

    Args:
        row: (columns,).
        background: (rows, columns), two or more.
        groups: What is shared among; columns of no group stay those of the background.
        say: From (rows, columns) to one number a row.
        seed: Of the orders.

    Raises:
        ParameterError: There are fewer than two background rows.
    """
    if len(background) < 2:  # noqa: PLR2004  no error of one
        raise ParameterError(
            f"Shapley values: expected at least 2 background rows; got {len(background)}. Raise "
            "--background or give more rows"
        )
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(groups)) for _ in background]
    return shares_of(row, background, groups, say, [[order, order[::-1]] for order in orders])


def shares_of(
    row: Matrix,
    background: Matrix,
    groups: Sequence[Group],
    say: Callable[[Matrix], FloatArray],
    orders: Sequence[Sequence[npt.NDArray[np.int64]]],
) -> Shares:
    """Share out along given orders of the groups, some for each background row.

    With all orders for each row these are the Shapley values themselves.
    """
    walks = [
        _walk(row, absent, groups, order)
        for absent, some in zip(background, orders, strict=True)
        for order in some
    ]
    said = say(np.concatenate(walks)).reshape(len(walks), len(groups) + 1)
    added = np.empty((len(walks), len(groups)))
    flat = [order for some in orders for order in some]
    for number, order in enumerate(flat):
        added[number, order] = np.diff(said[number])
    ends = np.cumsum([0, *(len(some) for some in orders)])
    means = np.array([added[a:b].mean(axis=0) for a, b in pairwise(ends)])
    errors = means.std(axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0 * means[0]
    base = float(np.mean([said[begin, 0] for begin in ends[:-1]]))
    return Shares(base, float(said[0, -1]), means.mean(axis=0), errors)


def _walk(
    row: Matrix, absent: Matrix, groups: Sequence[Group], order: npt.NDArray[np.int64]
) -> Matrix:
    """From a background row to the row, one group after another, (groups + 1, columns)."""
    steps = np.repeat(absent[None], len(groups) + 1, axis=0)
    for step, number in enumerate(order, start=1):
        places = [*groups[number].places]
        steps[step:, places] = row[places]
    return steps
