"""What ranks count and measure together."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipelines.errors import TrainingError
from pipelines.training import distributed
from pipelines.training.metrics import BinaryState


def measure(
    batches: Iterator[Any], predict: Callable[[Any], Any], beat: Callable[[], None]
) -> dict[str, float]:
    """Measure a model on the batches of all ranks; gives the same on each.

    Args:
        batches: This rank's, each ``(inputs, label, weight)``.
        predict: Gives the logits of inputs, (rows, 1).
        beat: Called before each batch, as a sign of life.
    """
    state = BinaryState()
    for inputs, label, weight in batches:
        beat()
        logit = predict(inputs).numpy()[:, 0]
        state.add(logit, label.numpy()[:, 0], weight.numpy() > 0)
    summed = distributed.sum_values(state.to_array(), "validation")
    return BinaryState.from_array(summed).result()


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
