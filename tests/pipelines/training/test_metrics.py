"""Metrics by sums: against plain formulas, and in parts as in one go."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from pipelines.training.metrics import BinaryState


def _state(logit: NDArray[np.float32], label: NDArray[np.float32]) -> BinaryState:
    state = BinaryState()
    state.add(logit, label, np.ones(len(logit), bool))
    return state


def _data(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    logit = (2 * random.normal(size=5000)).astype(np.float32)
    label = (random.random(5000) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    return logit, label


def test_loss_accuracy_and_auc_agree_with_scikit_learn() -> None:
    logit, label = _data(1)
    chance = 1 / (1 + np.exp(-logit.astype(np.float64)))
    result = _state(logit, label).result()
    assert result["loss"] == pytest.approx(log_loss(label, chance), abs=1e-9)
    assert result["auc"] == pytest.approx(roc_auc_score(label, chance), abs=1e-4)
    assert result["accuracy"] == pytest.approx(np.mean((chance >= 0.5) == label), abs=1e-9)
    assert result["rows"] == 5000


def test_parts_summed_equal_the_whole() -> None:
    logit, label = _data(2)
    parts: Any = [
        _state(logit[part], label[part]).to_array() for part in np.array_split(range(5000), 7)
    ]
    assert BinaryState.from_array(np.sum(parts, axis=0)).result() == pytest.approx(
        _state(logit, label).result(), abs=1e-12
    )


def test_empty_slots_do_not_count() -> None:
    state = BinaryState()
    logit, label = np.array([3.0, -9.0], np.float32), np.array([1.0, 1.0], np.float32)
    state.add(logit, label, np.array([True, False]))
    assert state.result()["rows"] == 1
    assert state.result()["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("logits", "labels", "auc"),
    [([-1, 1], [0, 1], 1.0), ([1, -1], [0, 1], 0.0), ([2, 2], [0, 1], 0.5), ([1, 2], [1, 1], 0.5)],
)
def test_auc_of_two_rows(logits: list[float], labels: list[float], auc: float) -> None:
    state = _state(np.array(logits, np.float32), np.array(labels, np.float32))
    assert state.result()["auc"] == auc


def test_extreme_logits_do_not_overflow_and_nan_is_not_hidden() -> None:
    result = _state(np.array([1e4, -1e4], np.float32), np.array([1, 0], np.float32)).result()
    assert (result["loss"], result["auc"]) == (0.0, 1.0)
    wrong = _state(np.array([np.nan], np.float32), np.array([1], np.float32)).result()
    assert np.isnan(wrong["loss"])
