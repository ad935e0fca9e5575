"""What ranks count and measure together."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipelines.errors import TrainingError
from pipelines.training import distributed
from pipelines.training.metrics import BinaryState
from pipelines.training.objective import LOG_LOSS, Objective


def measure(
    batches: Iterator[Any],
    predict: Callable[[Any], Any],
    beat: Callable[[], None],
    objective: Objective = LOG_LOSS,
) -> dict[str, float]:
    """Measure a model on the batches of all ranks; gives the same on each.

    ``loss`` is the mean of the objective's loss, without smoothing and penalty; where that is not
    the log loss, ``log_loss`` stands beside it.

    Args:
        batches: This rank's, each ``(inputs, label, weight)``.
        predict: Gives the logits of inputs, (rows, 1).
        beat: Called before each batch, as a sign of life.
        objective: Of the training.
    """
    state, lost = BinaryState(), 0.0
    for inputs, label, weight in batches:
        beat()
        logit = predict(inputs).numpy()[:, 0]
        is_row = weight.numpy() > 0
        state.add(logit, label.numpy()[:, 0], is_row)
        if not objective.is_log_loss:
            lost += _loss_sum(objective, label.numpy()[is_row], logit[is_row, None])
    sums = np.append(state.to_array(), [] if objective.is_log_loss else [lost])
    summed = distributed.sum_values(sums, "validation")
    if objective.is_log_loss:
        return BinaryState.from_array(summed).result()
    result = BinaryState.from_array(summed[:-1]).result()
    return result | {"loss": float(summed[-1]) / result["rows"], "log_loss": result["loss"]}


def _loss_sum(objective: Objective, label: Any, logit: Any) -> float:
    rows: Any = objective.unsmoothed().of_rows(label.astype(np.float64), logit.astype(np.float64))
    return float(np.sum(rows.numpy()))


def sum_rows(rows: float) -> float:
    """Add up the ranks' numbers of rows."""
    return float(distributed.sum_values(np.array([rows]), "rows")[0])


def check_total(rows: float, expected: int, when: str) -> None:
    """Refuse another number of rows over all ranks than planned.

    Raises:
        TrainingError: Rows were lost or doubled.
    """
    if rows != expected:
        raise TrainingError(
            f"{when}: expected {expected} rows over all ranks; got {rows:.0f}. Rows were lost "
            "or doubled while loading; please report it"
        )


def check_finite(loss: float, when: str, what: str) -> None:
    """Refuse a loss that is NaN or infinite.

    Raises:
        TrainingError: It is.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"{when}: expected a finite {what}; got {loss}. Lower --learning-rate, or look for "
            "extreme values in the features; the last checkpoint is untouched"
        )
