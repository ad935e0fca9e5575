"""Metrics that can be summed over batches and ranks: a state, a sum, a final formula."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_BINS = 8192
_LIMIT = 16.0  # logits beyond are one bin: sigmoid(16) is 1 - 1e-7


@dataclass(slots=True)
class BinaryState:
    """Sums from which loss, accuracy and ROC AUC of a binary classifier follow.

    ``histogram`` counts logits in bins, (2, bins): row 0 for label 0, row 1 for label 1. Its size
    does not grow with the data.
    """

    loss_sum: float = 0.0
    histogram: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, _BINS)))

    def add(
        self, logit: NDArray[np.float32], label: NDArray[np.float32], is_row: NDArray[np.bool_]
    ) -> None:
        """Add the rows of a batch, leaving out empty slots; all arrays are (rows,)."""
        x, label = logit[is_row].astype(np.float64), label[is_row]
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
