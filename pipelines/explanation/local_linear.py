"""A linear model of a model, near one row: LIME.

Ribeiro, Singh and Guestrin 2016, "Why Should I Trust You?" (arXiv 1602.04938). A neighbour keeps
some groups of the row and takes the others from a background row; its interpretable form is a bit
for each group. The weights of a ridge regression on these bits, near rows counting more, say what
having the row's value does instead of a usual one. How well such a line fits is said beside it: a
poor fit explains nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from pipelines.explanation.groups import Group, Matrix

FloatArray = npt.NDArray[np.float64]
# the authors' code: 0.75 times the root of the number of columns, and 1 for the ridge
_WIDTH = 0.75
_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class LocalModel:
    """Weights of the groups, (groups,), and the weighted R squared of the fit on its neighbours."""

    weights: FloatArray
    fit: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How many are drawn, and by which seed."""

    number: int
    seed: int


def explain_locally(
    row: Matrix,
    background: Matrix,
    groups: Sequence[Group],
    say: Callable[[Matrix], FloatArray],
    neighbours: Neighbours,
) -> LocalModel:
    """Fit the linear model around ``row``; arguments as of ``shapley_values``."""
    random = np.random.default_rng(neighbours.seed)
    kept = _bits(neighbours.number, len(groups), random)
    rows = background[random.integers(len(background), size=neighbours.number)]
    for number, group in enumerate(groups):
        for place in group.places:
            rows[kept[:, number], place] = row[place]
    said = say(rows)
    # squared distance of a neighbour's bits: how many groups it lost
    lost = np.sum(~kept, axis=1)
    nearness = np.exp(-lost / (_WIDTH**2 * len(groups)))
    line = Ridge(_RIDGE).fit(kept.astype(np.float64), said, nearness)
    fit = r2_score(said, line.predict(kept.astype(np.float64)), sample_weight=nearness)
    return LocalModel(np.asarray(line.coef_, np.float64), float(fit))


def _bits(rows: int, groups: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which groups are kept, (rows, groups): the row itself, then as many lost as it comes."""
    kept = np.ones((rows, groups), bool)
    places = random.random((rows, groups)).argsort(axis=1).argsort(axis=1)
    lost = random.integers(1, groups + 1, size=rows)
    lost[0] = 0
    kept[places < lost[:, None]] = False
    return kept
