"""Metrics by sums: against plain formulas, and in parts as in one go."""

import doctest
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)

from pipelines.training import metrics as module
from pipelines.training.metrics import BinaryState, State, state_of
from schemas.target import Target


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


_KINDS = Target("classes", ("a", "b", "c", "never"))
_NUMBER = Target("number", mean=1e6, deviation=3.0)


def _parts(target: Target, given: NDArray[Any], label: NDArray[Any]) -> State:
    """The state of all rows, summed over parts whose last row each is an empty slot."""
    sums: list[Any] = []
    for part in np.array_split(range(len(label)), 7):
        is_row = np.ones(len(part) + 1, bool)
        is_row[-1] = False
        state, places = state_of(target), np.append(part, 0)
        state.add(given[places], label[places], is_row)
        sums.append(state.to_array())
    return state_of(target).from_array(np.sum(sums, axis=0))


def test_figures_of_classes_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    label = random.integers(0, 3, 900).astype(np.float32)
    logits = (random.normal(size=(900, 4)) + 1.5 * np.eye(4)[label.astype(int)]).astype(np.float32)
    logits[:, 3] = -9.0
    result = _parts(_KINDS, logits, label).result()
    soft = np.exp(logits.astype(np.float64))
    soft /= soft.sum(axis=1, keepdims=True)
    called = logits.argmax(axis=1)
    assert result["loss"] == pytest.approx(log_loss(label, soft, labels=range(4)), abs=1e-6)
    assert result["accuracy"] == pytest.approx(accuracy_score(label, called))
    # a class that is neither there nor called counts for nothing
    assert result["macro_f1"] == pytest.approx(f1_score(label, called, average="macro"))
    assert result["rows"] == 900


def test_figures_of_a_number_agree_with_scikit_learn_far_from_zero() -> None:
    random = np.random.default_rng(4)
    label = (1e6 + 3 * random.normal(size=900)).astype(np.float32)
    given = (label + random.normal(0.5, 1.0, 900)).astype(np.float32)
    result = _parts(_NUMBER, given[:, None], label).result()
    assert result["mae"] == pytest.approx(mean_absolute_error(label, given), rel=1e-5)
    wide, said = label.astype(np.float64), given.astype(np.float64)
    assert result["rmse"] == pytest.approx(mean_squared_error(wide, said) ** 0.5, rel=1e-9)
    assert result["r2"] == pytest.approx(r2_score(wide, said), abs=1e-9)
    assert result["bias"] == pytest.approx(float(np.mean(said - wide)), abs=1e-9)
    assert doctest.testmod(module).failed == 0
