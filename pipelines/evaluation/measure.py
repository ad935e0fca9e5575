"""What every predictor says of the rows of a split; and the figures of a label of 0 or 1.

Of classes and numbers see ``measure_classes`` and ``measure_numbers``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.errors import TrainingError
from pipelines.evaluation import metrics
from pipelines.evaluation.arrays import read_batches
from pipelines.evaluation.predict import Predictor
from schemas.encode import FeatureSet

NETWORK = "network"
ORIGINAL = "uncompressed_network"
THRESHOLD_RULE = (
    "each model's threshold is the score with the greatest F1 on the validation split; the "
    "majority class is called at 0.5"
)
CALIBRATION_RULE = (
    f"expected calibration error: sum over {metrics.NUM_BINS} bins of equal width of (rows in bin "
    "/ rows) x |share of positives - mean probability|; Guo et al. 2017, equation 3"
)


@dataclass(frozen=True, slots=True)
class Scores:
    """Labels of one split, and what each predictor says of each row, see ``open_predictor``."""

    split: str
    label: npt.NDArray[Any]
    said: dict[str, npt.NDArray[np.float64]]


def score_split(
    split: str, files: Sequence[str], features: FeatureSet, predictors: dict[str, Predictor]
) -> Scores:
    """Apply every predictor to the rows of ``files``; only labels and scores stay in memory.

    Raises:
        TrainingError: The split is empty or has one class, or what is said is not finite.
    """
    labels: list[npt.NDArray[Any]] = []
    found: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in predictors}
    for batch in read_batches(files, features):
        labels.append(batch.label)
        for name, predict in predictors.items():
            found[name].append(predict(batch))
    label = np.concatenate(labels) if labels else np.empty(0, np.int32)
    check_labels(label, split, features)
    said = {name: np.concatenate(parts) for name, parts in found.items()}
    for name, values in said.items():
        check_finite(values, name, split)
    return Scores(split, label, said)


def check_labels(label: npt.NDArray[Any], split: str, features: FeatureSet) -> None:
    """Raise ``TrainingError`` unless ``label`` holds 0 and 1, two classes, or two numbers."""
    name, kind = features.label, features.target.kind
    if not label.size:
        raise TrainingError(
            f"the {split} split is empty: expected rows with {name} of more than one value. "
            "Widen the split's range in the contract or give more data"
        )
    if label.min() != label.max():
        return
    words = {"binary": "both 0 and 1", "classes": "two classes or more"}
    came = features.target.classes[label[0]] if kind == "classes" else label[0].item()
    raise TrainingError(
        f"the {split} split has {label.size} rows with {name} in [{came}]: expected "
        f"{words.get(kind, 'numbers that differ')}, or no figure of it means anything. Look at the "
        "label's expression and at the split's range in the contract"
    )


def measure(
    validation: Scores, test: Scores, fixed_thresholds: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """Give the figures of each predictor on ``test``.

    Args:
        validation: Scores that choose the thresholds.
        test: Scores that are measured.
        fixed_thresholds: Predictors whose threshold is not chosen.
    """
    return {
        name: _figures(
            test.label,
            probability,
            fixed_thresholds.get(name)
            or metrics.best_f1_threshold(validation.label, validation.said[name]),
        )
        for name, probability in test.said.items()
    }


def _figures(
    label: npt.NDArray[Any], probability: npt.NDArray[np.float64], threshold: float
) -> dict[str, Any]:
    counts = metrics.confusion(label, probability, threshold)
    return {
        **metrics.ranking_figures(label, probability),
        **metrics.decision_figures(counts),
        "threshold": threshold,
        "confusion": asdict(counts),
    }


def check_finite(values: npt.NDArray[np.float64], name: str, split: str) -> None:
    """Raise ``TrainingError`` unless what ``name`` says of each row of ``split`` is finite."""
    broken = int(np.sum(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
    if broken:
        raise TrainingError(
            f"{name} gives no finite number for {broken} of {len(values)} rows of the {split} "
            "split. Its weights or the features hold NaN: train again with a lower learning rate, "
            "and run the features' checks"
        )
