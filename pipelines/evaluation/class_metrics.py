"""The arithmetic of the figures of several classes, in NumPy, each with its source.

All but log loss and top-k follow from the confusion matrix: rows by label, then by the class
called, which is the one with the greatest probability (the first of equal ones).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.metrics import EPSILON, FloatArray, IntArray

TOP = 3
# with fewer classes a guess among the first three says little
LEAST_CLASSES_OF_TOP = 5
Counts = npt.NDArray[np.int64]


def confusion_matrix(label: IntArray, called: IntArray, num_classes: int) -> Counts:
    """Count rows, (K, K): by label, then by the class called.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = np.bincount(label.astype(np.int64) * num_classes + called, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def class_figures(label: IntArray, probability: FloatArray) -> dict[str, float]:
    """Accuracy, macro and weighted F1, log loss in nats; with five classes or more, top-3 accuracy.

    Probabilities are clipped to [EPSILON, 1] for the log loss. Macro F1 is the mean over the
    classes that are labelled or called, as scikit-learn's.

    Args:
        label: (rows,), places of classes.
        probability: (rows, K).
    """
    rows, num_classes = probability.shape
    counts = confusion_matrix(label, probability.argmax(axis=1), num_classes)
    own = probability[np.arange(rows), label].astype(np.float64)
    found = {
        "accuracy": float(np.trace(counts) / rows),
        "macro_f1": macro_f1(counts),
        "weighted_f1": float(np.sum(f1_of_classes(counts) * counts.sum(axis=1)) / rows),
        "log_loss": float(-np.mean(np.log(np.clip(own, EPSILON, 1)))),
    }
    if num_classes >= LEAST_CLASSES_OF_TOP:
        # rows where fewer than three classes are more probable than the right one
        better = np.sum(probability > own[:, None], axis=1)
        found[f"top_{TOP}"] = float(np.mean(better < TOP))
    return found


def f1_of_classes(counts: npt.NDArray[Any]) -> FloatArray:
    """F1 of each class, (K,): 2 TP / (labelled so + called so), 0 where no row is either."""
    either = counts.sum(axis=0) + counts.sum(axis=1)
    return 2 * np.diag(counts) / np.maximum(either, 1)


def macro_f1(counts: npt.NDArray[Any]) -> float:
    """Mean F1 over the classes that are labelled or called."""
    is_met = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    return float(np.mean(f1_of_classes(counts)[is_met]))


def each_class(counts: Counts, names: Sequence[str]) -> list[dict[str, Any]]:
    """Give rows, precision, recall and F1 of each class; an empty denominator gives 0."""
    right, called, labelled = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    f1 = f1_of_classes(counts)
    return [
        {
            "class": name,
            "rows": int(labelled[place]),
            "called": int(called[place]),
            "precision": float(right[place] / max(called[place], 1)),
            "recall": float(right[place] / max(labelled[place], 1)),
            "f1": float(f1[place]),
        }
        for place, name in enumerate(names)
    ]


def macro_f1_interval(counts: Counts, seed: int, num_resamples: int) -> tuple[float, float]:
    """Give the 95% percentile bootstrap interval of macro F1 (Efron, 1979).

    To draw rows with replacement and count them is one multinomial draw of the counts.
    """
    rows = int(counts.sum())
    draws = np.random.default_rng(seed).multinomial(rows, counts.ravel() / rows, size=num_resamples)
    values = [macro_f1(draw.reshape(counts.shape)) for draw in draws]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
