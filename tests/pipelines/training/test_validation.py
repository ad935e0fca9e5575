"""What a split is measured by, where the loss is another than the log loss."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import TrainingError
from pipelines.training import distributed
from pipelines.training.objective import LOG_LOSS, Objective
from pipelines.training.validation import check_finite, measure

_LOGIT = np.array([-1.0, 0.5, 2.0, 7.0], np.float32)
_LABEL = np.array([0.0, 1.0, 0.0, 0.0], np.float32)
_WEIGHT = np.array([1.0, 1.0, 1.0, 0.0], np.float32)  # the last is an empty slot


def _measured(objective: Objective) -> dict[str, float]:
    distributed.start()
    # two batches; the inputs are the logits
    batches: Any = (
        tuple(tf.constant(values) for values in (x[:, None], y[:, None], w))
        for x, y, w in ((_LOGIT[part], _LABEL[part], _WEIGHT[part]) for part in ([0, 1], [2, 3]))
    )
    return measure(batches, lambda logit: logit, lambda: None, objective)


def test_the_loss_is_the_objectives_without_smoothing_and_empty_slots() -> None:
    p = 1 / (1 + np.exp(-_LOGIT[:3].astype(np.float64)))
    log_loss = -np.mean(np.log(np.where(_LABEL[:3] == 1, p, 1 - p)))
    squares = np.array([1.0, 4.0, 1.0]) * (p - _LABEL[:3]) ** 2
    found = _measured(Objective("mse", class_weights=(1.0, 4.0), label_smoothing=0.2, l2=0.1))
    assert found["loss"] == pytest.approx(np.mean(squares), abs=1e-12)
    assert found["log_loss"] == pytest.approx(log_loss, abs=1e-12)
    assert found["rows"] == 3
    plain = _measured(LOG_LOSS)
    assert plain["loss"] == found["log_loss"]
    assert "log_loss" not in plain


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_refused(loss: float) -> None:
    with pytest.raises(TrainingError, match=r"epoch 2: expected a finite loss; got .*Lower"):
        check_finite(loss, "epoch 2", "loss")
