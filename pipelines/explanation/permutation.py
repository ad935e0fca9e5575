"""How much worse a model gets when a column's values are dealt out to other rows.

Breiman 2001, "Random Forests", section 10, for any model: Fisher, Rudin and Dominici 2019, "All
Models are Wrong, but Many are Useful" (JMLR 20, 177), whose model reliance is the ratio where this
is the difference. What it says is of the model, not of the world: columns that tell the same share
the figure, or hide one another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipelines.errors import ParameterError
from pipelines.explanation.groups import Group, Matrix

FloatArray = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
_CHUNK_ROWS = 50_000
_PARTS = 20
_LEAST_OF_CLASS = 5


@dataclass(frozen=True, slots=True)
class Importance:
    """What the figure loses without a group: mean over the repeats, and a 95% interval."""

    name: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Exam:
    """Rows, their labels, what the model says of rows, and the figure of both."""

    rows: Matrix
    label: npt.NDArray[Any]
    say: Callable[[Matrix], FloatArray]
    figure: Callable[[npt.NDArray[Any], FloatArray], float]
    is_lower_better: bool = False
    is_class: bool = True


def permutation_importance(
    exam: Exam, groups: Sequence[Group], repeats: int, seed: int
) -> tuple[float, list[Importance]]:
    """Give the model's figure, and what each group is worth of it, the greatest first.

    A group's columns are permuted among the rows together, and the figures of all repeats averaged.
    The interval is by a jackknife of 20 parts of the rows, each with as many of each class as the
    others (Student's t over the parts): it holds the chance of rows and of permutations.

    Raises:
        ParameterError: There are too few rows, see ``too_few``.
    """
    if words := too_few(exam.label, is_class=exam.is_class):
        raise ParameterError(
            f"permutation importance: {words}. Raise --max-rows, or take a split that has more"
        )
    random = np.random.default_rng(seed)
    parts = _parts(exam, random)
    left = [np.flatnonzero(parts != part) for part in range(-1, _PARTS)]
    dealt = [random.permutation(len(exam.rows)) for _ in range(repeats)]
    plain = exam.say(exam.rows)
    base = _figures(exam, plain, left)
    sign = -1 if exam.is_lower_better else 1
    found = []
    for group in groups:
        without = [_figures(exam, said, left) for said in _permuted(exam, group, dealt)]
        found.append(_summed(group.name, sign * (base - np.mean(without, axis=0))))
    return float(base[0]), sorted(found, key=lambda item: -item.mean)


def too_few(label: npt.NDArray[Any], *, is_class: bool) -> str:
    """Say why so few rows tell nothing, by their labels; empty if they are enough.

    Of each part there must be two rows; of two classes each must be left when a part is not there.
    """
    if len(label) < 2 * _PARTS:
        return f"expected at least {2 * _PARTS} rows; got {len(label)}"
    values, counts = np.unique(label, return_counts=True)
    if is_class and (len(values) < 2 or np.sort(counts)[-2] < _LEAST_OF_CLASS):  # noqa: PLR2004
        each = ", ".join(f"{count} of {value}" for value, count in zip(values, counts, strict=True))
        return f"expected at least {_LEAST_OF_CLASS} rows of two classes; got {each}"
    return ""


def _permuted(exam: Exam, group: Group, dealt: Sequence[Places]) -> Iterator[FloatArray]:
    """What the model says with the group's columns permuted, by repeat, some at once."""
    places, at_once = [*group.places], max(1, _CHUNK_ROWS // len(exam.rows))
    for first in range(0, len(dealt), at_once):
        orders = dealt[first : first + at_once]
        rows = np.repeat(exam.rows[None], len(orders), axis=0)
        for number, order in enumerate(orders):
            rows[number][:, places] = exam.rows[order][:, places]
        yield from np.split(exam.say(np.concatenate(rows)), len(orders))


def _figures(exam: Exam, said: FloatArray, left: Sequence[Places]) -> FloatArray:
    """The figure of the rows that are left, each time; (times,)."""
    return np.array([exam.figure(exam.label[rows], said[rows]) for rows in left])


def _parts(exam: Exam, random: np.random.Generator) -> Places:
    """The part of each row, (rows,): drawn, but dealt out evenly within each class."""
    order = random.permutation(len(exam.rows))
    if exam.is_class:
        order = order[np.argsort(exam.label[order], kind="stable")]
    parts = np.empty(len(order), np.int64)
    parts[order] = np.arange(len(order)) % _PARTS
    return parts


def _summed(name: str, losses: FloatArray) -> Importance:
    """Delete-a-group jackknife (Shao and Wu 1989, "A General Theory for Jackknife Variance")."""
    mean, each = float(losses[0]), losses[1:]
    deviation = float(np.sqrt((_PARTS - 1) * each.var()))
    reach = float(stats.t.ppf(0.975, _PARTS - 1)) * deviation
    return Importance(name, mean, mean - reach, mean + reach)
