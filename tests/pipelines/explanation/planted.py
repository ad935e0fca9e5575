"""Rows of which one column gives the label away, and what a model says of them."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipelines.evaluation import metrics
from pipelines.explanation.groups import Group
from pipelines.explanation.permutation import Exam

Array: TypeAlias = npt.NDArray[np.float64]
GROUPS = tuple(Group(name, (f"{name}_num",), (place,)) for place, name in enumerate("abcd"))
PLANTED = 2  # the column c


def planted_rows(rows: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Four columns of noise, to the third of which the label is added; and the labels."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, rows).astype(np.int32)
    values = random.normal(size=(rows, 4))
    values[:, PLANTED] += 3 * label
    return values, label


def logistic(weights: list[float]) -> Any:
    """A model: the logistic function of a weighted sum."""

    def say(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1 / (1 + np.exp(-(rows @ np.array(weights))))

    return say


def exam_of(say: Any, rows: int = 400, seed: int = 1) -> Exam:
    """Hold a model to planted rows by ROC AUC."""
    values, label = planted_rows(rows, seed)
    return Exam(values, label, say, metrics.roc_auc)
