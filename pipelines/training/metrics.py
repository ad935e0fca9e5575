"""Metrics that can be summed over batches and ranks: a state, a sum, a final formula.

One state for each kind of label; all are arrays whose size does not grow with the data.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.target import Target

# the first that there is tells of an epoch, beside the loss
_LEADING = ("auc", "accuracy", "mae")
_BINS = 8192
_LIMIT = 16.0  # logits beyond are one bin: sigmoid(16) is 1 - 1e-7


class State(Protocol):
    """Sums over rows, from which the figures follow."""

    def add(
        self, given: NDArray[np.float32], label: NDArray[np.float32], is_row: NDArray[np.bool_]
    ) -> None:
        """Add the rows of a batch, leaving out empty slots.

        Args:
            given: What the network gives, (rows, width).
            label: (rows,).
            is_row: (rows,); False for an empty slot.
        """
        ...

    def to_array(self) -> NDArray[np.float64]:
        """Give the state as one array that can be summed over ranks."""
        ...

    def from_array(self, values: NDArray[np.float64]) -> "State":
        """Give a state of the same kind back."""
        ...

    def result(self) -> dict[str, float]:
        """Give the figures, and ``rows``."""
        ...


def say_leading(figures: dict[str, float]) -> str:
    """Give name and value of the figure that says most beside the loss.

    >>> say_leading({"accuracy": 0.75, "auc": 0.8})
    'auc 0.8000'
    """
    name = next(name for name in _LEADING if name in figures)
    return f"{name} {figures[name]:.4f}"


def state_of(target: Target) -> State:
    """Give an empty state for a label."""
    if target.kind == "number":
        return NumberState(target)
    return ClassesState.empty(target.width) if target.kind == "classes" else BinaryState()


@dataclass(slots=True)
class BinaryState:
    """Sums from which loss, accuracy and ROC AUC of a binary classifier follow.

    ``histogram`` counts logits in bins, (2, bins): row 0 for label 0, row 1 for label 1.
    """

    loss_sum: float = 0.0
    histogram: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, _BINS)))

    def add(
        self, given: NDArray[np.float32], label: NDArray[np.float32], is_row: NDArray[np.bool_]
    ) -> None:
        """Add the rows of a batch, leaving out empty slots; ``given`` are logits, (rows, 1)."""
        x, label = given.reshape(-1)[is_row].astype(np.float64), label[is_row]
        # log(1 + e^x) - x * label, without overflow
        with np.errstate(invalid="ignore"):  # a NaN stays NaN, and the caller stops on it
            self.loss_sum += float(np.sum(np.logaddexp(0.0, x) - x * label))
        scaled = (np.nan_to_num(x) + _LIMIT) * (_BINS / (2 * _LIMIT))
        bins = np.clip(scaled.astype(np.int64), 0, _BINS - 1)
        for value in (0, 1):
            self.histogram[value] += np.bincount(bins[label == value], minlength=_BINS)

    def to_array(self) -> NDArray[np.float64]:
        """Give the state as one array that can be summed over ranks."""
        return np.concatenate([[self.loss_sum], self.histogram.ravel()])

    @classmethod
    def from_array(cls, values: NDArray[np.float64]) -> "BinaryState":
        """Give the state back."""
        return cls(float(values[0]), values[1:].reshape(2, _BINS))

    def result(self) -> dict[str, float]:
        """Give ``loss`` (mean log loss, nats), ``accuracy`` at 0.5, ``auc`` and ``rows``.

        AUC is the share of pairs (label 1, label 0) that are in order, ties counting half
        (Mann-Whitney); logits closer than 1/256 count as ties. It is 0.5 with one class only.
        """
        rows = float(self.histogram.sum())
        negatives, positives = self.histogram
        below = np.concatenate([[0.0], np.cumsum(negatives)[:-1]])
        pairs = negatives.sum() * positives.sum()
        ordered = float(np.sum(positives * (below + negatives / 2)))
        right = negatives[: _BINS // 2].sum() + positives[_BINS // 2 :].sum()
        return {
            "loss": self.loss_sum / rows,
            "accuracy": float(right) / rows,
            "auc": ordered / float(pairs) if pairs else 0.5,
            "rows": rows,
        }


@dataclass(slots=True)
class ClassesState:
    """Sums from which loss, accuracy and macro F1 of several classes follow.

    ``confusion`` counts rows, (K, K): by label, then by the class with the greatest logit.
    """

    loss_sum: float
    confusion: NDArray[np.float64]

    @classmethod
    def empty(cls, num_classes: int) -> "ClassesState":
        """Give the state of no rows."""
        return cls(0.0, np.zeros((num_classes, num_classes)))

    def add(
        self, given: NDArray[np.float32], label: NDArray[np.float32], is_row: NDArray[np.bool_]
    ) -> None:
        """Add the rows of a batch, leaving out empty slots; ``given`` are logits, (rows, K)."""
        logits, places = given[is_row].astype(np.float64), label[is_row].astype(np.int64)
        own = logits[np.arange(len(places)), places]
        with np.errstate(invalid="ignore"):  # see BinaryState
            self.loss_sum += float(np.sum(np.logaddexp.reduce(logits, axis=1) - own))
        width = len(self.confusion)
        cells = np.bincount(places * width + logits.argmax(axis=1), minlength=width**2)
        self.confusion += cells.reshape(width, width)

    def to_array(self) -> NDArray[np.float64]:
        """Give the state as one array that can be summed over ranks."""
        return np.concatenate([[self.loss_sum], self.confusion.ravel()])

    def from_array(self, values: NDArray[np.float64]) -> "ClassesState":
        """Give the state back."""
        return ClassesState(float(values[0]), values[1:].reshape(self.confusion.shape))

    def result(self) -> dict[str, float]:
        """Give ``loss`` (mean log loss, nats), ``accuracy``, ``macro_f1`` and ``rows``.

        Macro F1 is the mean of 2 TP / (labelled so + called so) over the classes that are
        labelled or called.
        """
        rows, right = float(self.confusion.sum()), np.diag(self.confusion)
        either = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        is_met = either > 0
        return {
            "loss": self.loss_sum / rows,
            "accuracy": float(right.sum()) / rows,
            "macro_f1": float(np.mean(2 * right[is_met] / either[is_met])),
            "rows": rows,
        }


@dataclass(slots=True)
class NumberState:
    """Sums from which the errors of a predicted number follow.

    ``sums`` are rows, |e|, e^2, e, y and y^2, (6,): e = given - label and y = label - mean, both in
    deviations of the training split, so that squares of large numbers do not cancel.
    """

    target: Target
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(6))

    def add(
        self, given: NDArray[np.float32], label: NDArray[np.float32], is_row: NDArray[np.bool_]
    ) -> None:
        """Add the rows of a batch, leaving out empty slots; ``given`` are numbers, (rows, 1)."""
        wide, deviation = label[is_row].astype(np.float64), self.target.deviation
        error: Any = (given[is_row, 0].astype(np.float64) - wide) / deviation
        known: Any = (wide - self.target.mean) / deviation
        parts = (np.ones_like(error), np.abs(error), error**2, error, known, known**2)
        self.sums = self.sums + np.array([part.sum() for part in parts])

    def to_array(self) -> NDArray[np.float64]:
        """Give the state as one array that can be summed over ranks."""
        return self.sums

    def from_array(self, values: NDArray[np.float64]) -> "NumberState":
        """Give the state back."""
        return NumberState(self.target, values)

    def result(self) -> dict[str, float]:
        """Give ``mae``, ``rmse`` and ``bias`` in the label's unit, ``r2`` and ``rows``.

        R2 is 1 - sum e^2 / sum (y - mean y)^2 over these rows; 0 if their labels do not differ.
        """
        rows, sizes, squares, errors, labels, spread = self.sums.tolist()
        about_mean = spread - labels**2 / rows
        return {
            "mae": self.target.deviation * sizes / rows,
            "rmse": self.target.deviation * (squares / rows) ** 0.5,
            "bias": self.target.deviation * errors / rows,
            "r2": 1 - squares / about_mean if about_mean > 0 else 0.0,
            "rows": rows,
        }
