"""The arithmetic of a binary classifier's figures, in NumPy, each with its source.

Everything that depends on the order of the scores is computed from one table: the cumulative true
and false positives at each distinct score, so rows with equal scores always count together.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]

# float32 probabilities can be exactly 0 or 1; the log loss of a wrong one is then -log(EPSILON)
EPSILON = 1e-7
NUM_BINS = 15


@dataclass(frozen=True, slots=True)
class Ranking:
    """Counts of rows whose score is at least ``thresholds[i]``; thresholds fall strictly."""

    thresholds: npt.NDArray[np.float64]
    true_positives: npt.NDArray[np.float64]
    false_positives: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows by label and decision; a row is called positive when its score >= the threshold."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


@dataclass(frozen=True, slots=True)
class Bins:
    """Mean score, share of positives and rows of each non-empty bin of equal width on [0, 1]."""

    score: tuple[float, ...]
    positive_share: tuple[float, ...]
    rows: tuple[int, ...]


def rank(label: IntArray, score: FloatArray) -> Ranking:
    """Give cumulative counts by falling distinct score; (rows,) arrays, labels 0 or 1."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    true_positives = np.cumsum(label[order], dtype=np.float64)[last_of_tie]
    called = last_of_tie + 1.0
    thresholds = ordered[last_of_tie].astype(np.float64)
    return Ranking(thresholds, true_positives, called - true_positives)


def roc_auc(label: IntArray, score: FloatArray) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties half.

    Trapezoids over distinct scores; Fawcett, "An introduction to ROC analysis", 2006.

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    false_rate, true_rate = roc_curve(rank(label, score))
    return float(np.trapz(true_rate, false_rate))


def roc_curve(ranking: Ranking) -> tuple[FloatArray, FloatArray]:
    """Give (false positive rate, true positive rate), both from 0 to 1, of each threshold."""
    false_rate = np.append(0.0, ranking.false_positives) / ranking.false_positives[-1]
    true_rate = np.append(0.0, ranking.true_positives) / ranking.true_positives[-1]
    return false_rate, true_rate


def precision_recall_curve(ranking: Ranking) -> tuple[FloatArray, FloatArray]:
    """Give (precision, recall) of each threshold, recall rising."""
    called = ranking.true_positives + ranking.false_positives
    return ranking.true_positives / called, ranking.true_positives / ranking.true_positives[-1]


def average_precision(label: IntArray, score: FloatArray) -> float:
    """Area under the precision-recall curve without interpolation: sum (R_n - R_n-1) P_n.

    The formula of scikit-learn's ``average_precision_score``; trapezoids would be too optimistic
    (Davis and Goadrich, 2006).
    """
    precision, recall = precision_recall_curve(rank(label, score))
    return float(np.sum(np.diff(np.append(0.0, recall)) * precision))


def log_loss(label: IntArray, score: FloatArray) -> float:
    """Mean negative log likelihood in nats, scores clipped to [EPSILON, 1 - EPSILON]."""
    clipped = np.clip(score.astype(np.float64), EPSILON, 1 - EPSILON)
    return float(-np.mean(np.where(label == 1, np.log(clipped), np.log1p(-clipped))))


def brier(label: IntArray, score: FloatArray) -> float:
    """Mean squared difference of score and label; Brier, 1950."""
    return float(np.mean((score.astype(np.float64) - label) ** 2))


def calibration_bins(label: IntArray, score: FloatArray, num_bins: int = NUM_BINS) -> Bins:
    """Group rows by score into bins of equal width on [0, 1]; empty ones are left out."""
    index = np.minimum((score * num_bins).astype(np.int64), num_bins - 1)
    rows = np.bincount(index, minlength=num_bins)
    filled = rows > 0
    scores = np.bincount(index, weights=score, minlength=num_bins)[filled] / rows[filled]
    positives = np.bincount(index, weights=label, minlength=num_bins)[filled] / rows[filled]
    return Bins(tuple(scores.tolist()), tuple(positives.tolist()), tuple(rows[filled].tolist()))


def expected_calibration_error(bins: Bins) -> float:
    """Mean over rows of |share of positives - mean score| of the row's bin, in [0, 1].

    ECE = sum_m |B_m| / n * |acc(B_m) - conf(B_m)|, Guo et al., "On Calibration of Modern Neural
    Networks", 2017, equation 3, with the positive class's score as the confidence.
    """
    rows = np.array(bins.rows)
    gap = np.abs(np.array(bins.positive_share) - np.array(bins.score))
    return float(np.sum(rows * gap) / np.sum(rows))


def confusion(label: IntArray, score: FloatArray, threshold: float) -> Confusion:
    """Count rows by label and by whether their score reaches ``threshold``."""
    called = score >= threshold
    true_positive = int(np.sum(called & (label == 1)))
    false_positive = int(np.sum(called)) - true_positive
    positives = int(np.sum(label))
    false_negative = positives - true_positive
    negatives = int(label.size) - positives
    return Confusion(negatives - false_positive, false_positive, false_negative, true_positive)


def best_f1_threshold(label: IntArray, score: FloatArray) -> float:
    """Give the highest score whose use as threshold has the greatest F1 on these rows.

    F1 = 2 TP / (called positive + positives); van Rijsbergen, 1979.
    """
    ranking = rank(label, score)
    called = ranking.true_positives + ranking.false_positives
    f1 = 2 * ranking.true_positives / (called + ranking.true_positives[-1])
    return float(ranking.thresholds[int(np.argmax(f1))])


def decision_figures(counts: Confusion) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of a confusion matrix; an empty denominator gives 0."""
    called = counts.true_positive + counts.false_positive
    positives = counts.true_positive + counts.false_negative
    rows = called + counts.true_negative + counts.false_negative
    return {
        "accuracy": _ratio(counts.true_positive + counts.true_negative, rows),
        "precision": _ratio(counts.true_positive, called),
        "recall": _ratio(counts.true_positive, positives),
        "f1": _ratio(2 * counts.true_positive, called + positives),
    }


def ranking_figures(label: IntArray, score: FloatArray) -> dict[str, float]:
    """ROC AUC, PR AUC, log loss, Brier score and calibration error: no threshold needed."""
    return {
        "roc_auc": roc_auc(label, score),
        "pr_auc": average_precision(label, score),
        "log_loss": log_loss(label, score),
        "brier": brier(label, score),
        "calibration_error": expected_calibration_error(calibration_bins(label, score)),
    }


def roc_auc_interval(
    label: IntArray, score: FloatArray, seed: int, num_resamples: int
) -> tuple[float, float]:
    """Give the 95% percentile bootstrap interval of ROC AUC (Efron, 1979).

    Rows are drawn with replacement ``num_resamples`` times from a generator seeded by ``seed``;
    draws of a single class say nothing and are left out. Scores are ranked once: a draw is a
    weight on each distinct score.
    """
    order = np.argsort(score, kind="stable")
    group = np.append(0, np.cumsum(np.diff(score[order]) != 0))
    is_positive = label[order] == 1
    random = np.random.default_rng(seed)
    areas: list[float] = []
    for _ in range(num_resamples):
        weight = np.bincount(random.integers(label.size, size=label.size), minlength=label.size)
        positive = np.bincount(group, weights=weight * is_positive)
        negative = np.bincount(group, weights=weight * ~is_positive)
        pairs = positive.sum() * negative.sum()
        if pairs:
            below = np.cumsum(negative) - negative / 2
            areas.append(float(np.sum(positive * below) / pairs))
    low, high = np.percentile(areas, [2.5, 97.5])
    return float(low), float(high)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
