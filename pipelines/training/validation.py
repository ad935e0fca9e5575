"""What ranks count and measure together."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipelines.errors import TrainingError
from pipelines.training import distributed
from pipelines.training.metrics import state_of
from pipelines.training.objective import LOG_LOSS, Objective


def measure(
    batches: Iterator[Any],
    predict: Callable[[Any], Any],
    beat: Callable[[], None],
    objective: Objective = LOG_LOSS,
) -> dict[str, float]:
    """Measure a model on the batches of all ranks; gives the same on each.

    ``loss`` is the mean of the objective's loss, without smoothing and penalty; where that is not
    the log loss of classes, ``log_loss`` stands beside it. The others are those of the label's
    kind, see ``pipelines.training.metrics``.

    Args:
        batches: This rank's, each ``(inputs, label, weight)``.
        predict: Gives what the network gives, (rows, width).
        beat: Called before each batch, as a sign of life.
        objective: Of the training.
    """
    state, lost = state_of(objective.target), 0.0
    for inputs, label, weight in batches:
        beat()
        given = predict(inputs).numpy()
        is_row = weight.numpy() > 0
        state.add(given, label.numpy()[:, 0], is_row)
        if not objective.is_log_loss:
            lost += _loss_sum(objective, label.numpy()[is_row], given[is_row])
    sums = np.append(state.to_array(), [] if objective.is_log_loss else [lost])
    summed = distributed.sum_values(sums, "validation")
    if objective.is_log_loss:
        return state.from_array(summed).result()
    result = state.from_array(summed[:-1]).result()
    beside = {"log_loss": result["loss"]} if "loss" in result else {}
    return result | beside | {"loss": float(summed[-1]) / result["rows"]}


def _loss_sum(objective: Objective, label: Any, given: Any) -> float:
    rows: Any = objective.unsmoothed().of_rows(label.astype(np.float64), given.astype(np.float64))
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
