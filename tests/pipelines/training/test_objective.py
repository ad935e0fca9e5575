"""Losses, class weights, smoothing and penalties against NumPy."""

import doctest
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from pipelines.training import objective as module
from pipelines.training.method import LOSSES_OF
from pipelines.training.objective import Objective, balanced
from schemas.target import Target

_LOGIT = np.array([-3.0, -0.5, 0.0, 0.2, 4.0, 1.0])
_LABEL = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
_P = 1 / (1 + np.exp(-_LOGIT))


def _rows(objective: Objective) -> NDArray[np.float64]:
    label, logit = (tf.constant(values[:, None]) for values in (_LABEL, _LOGIT))
    found: Any = objective.of_rows(label, logit)
    return found.numpy()


def _focal(gamma: float, alpha: float) -> NDArray[np.float64]:
    # Lin et al. 2017, equation 5, by p_t and alpha_t
    p_t = np.where(_LABEL == 1, _P, 1 - _P)
    alpha_t = np.where(_LABEL == 1, alpha, 1 - alpha)
    return -alpha_t * (1 - p_t) ** gamma * np.log(p_t)


def _cross_entropy(target: NDArray[np.float64]) -> NDArray[np.float64]:
    return -target * np.log(_P) - (1 - target) * np.log(1 - _P)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective(), _cross_entropy(_LABEL)),
        (Objective("mse"), (_P - _LABEL) ** 2),
        (Objective("focal"), _focal(2.0, 0.25)),
        (Objective("focal", gamma=0.7, alpha=0.6), _focal(0.7, 0.6)),
        (Objective("focal", gamma=0.0, alpha=0.5), _cross_entropy(_LABEL) / 2),
        (Objective(label_smoothing=0.1), _cross_entropy(_LABEL * 0.9 + 0.05)),
        (Objective("mse", label_smoothing=0.1), (_P - _LABEL * 0.9 - 0.05) ** 2),
        (
            Objective(class_weights=(0.5, 3.0)),
            _cross_entropy(_LABEL) * np.where(_LABEL == 1, 3.0, 0.5),
        ),
    ],
)
def test_a_loss_is_the_one_of_the_formula(
    objective: Objective, expected: NDArray[np.float64]
) -> None:
    assert np.allclose(_rows(objective), expected, rtol=1e-12, atol=0)


def test_focal_loss_and_smoothing_agree_with_kerass_own() -> None:
    label, logit = (tf.constant(values[:, None]) for values in (_LABEL, _LOGIT))
    theirs: Any = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True, from_logits=True, reduction="none"
    )
    assert np.allclose(_rows(Objective("focal")), theirs(label, logit), atol=1e-6)
    theirs = keras.losses.BinaryCrossentropy(True, label_smoothing=0.2, reduction="none")
    assert np.allclose(_rows(Objective(label_smoothing=0.2)), theirs(label, logit), atol=1e-6)


_LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [0.1, 0.2, -5.0]])
_PLACES = np.array([0, 2, 2, 1])
_SOFT = np.exp(_LOGITS) / np.exp(_LOGITS).sum(axis=1, keepdims=True)
_HOT = np.eye(3)[_PLACES]
_OWN = _SOFT[np.arange(4), _PLACES]
_COLOURS = Target("classes", ("red", "green", "blue"))
_SPEED = Target("number", unit="mph", mean=50.0, deviation=8.0)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective(target=_COLOURS), -np.log(_OWN)),
        (Objective("mse", target=_COLOURS), np.sum((_SOFT - _HOT) ** 2, axis=1)),
        (Objective("focal", target=_COLOURS), -((1 - _OWN) ** 2) * np.log(_OWN)),
        (Objective("focal", gamma=0.0, target=_COLOURS), -np.log(_OWN)),
        (
            Objective(label_smoothing=0.3, target=_COLOURS),
            -np.sum((0.7 * _HOT + 0.1) * np.log(_SOFT), axis=1),
        ),
        (
            Objective(class_weights=(0.5, 3.0, 2.0), target=_COLOURS),
            -np.log(_OWN) * np.array([0.5, 2.0, 2.0, 3.0]),
        ),
    ],
)
def test_a_loss_of_classes_is_the_one_of_the_formula(
    objective: Objective, expected: NDArray[np.float64]
) -> None:
    label = tf.constant(_PLACES[:, None].astype(np.float64))
    found: Any = objective.of_rows(label, tf.constant(_LOGITS))
    assert np.allclose(found.numpy(), expected, rtol=1e-12, atol=0)


def test_focal_loss_of_classes_agrees_with_kerass_own() -> None:
    theirs: Any = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, from_logits=True, reduction="none"
    )
    label = tf.constant(_PLACES[:, None].astype(np.float32))
    ours: Any = Objective("focal", target=_COLOURS).of_rows(label, tf.constant(_LOGITS, tf.float32))
    assert np.allclose(ours, theirs(_HOT, _LOGITS), atol=1e-6)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective("mse", target=_SPEED), [0.0625, 4.0, 0.0]),
        (Objective("mae", target=_SPEED), [0.25, 2.0, 0.0]),
        (Objective("huber", target=_SPEED), [0.03125, 1.5, 0.0]),
        (Objective("huber", delta=0.1, target=_SPEED), [0.02, 0.195, 0.0]),
    ],
)
def test_a_loss_of_a_number_is_of_the_error_in_deviations(
    objective: Objective, expected: list[float]
) -> None:
    label, given = tf.constant([[50.0], [66.0], [7.0]]), tf.constant([[52.0], [50.0], [7.0]])
    found: Any = objective.of_rows(label, given)
    assert found.numpy().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("loss", LOSSES_OF["classes"])
def test_extreme_logits_of_classes_have_a_finite_loss_and_gradient(loss: str) -> None:
    logits = tf.constant([[-200.0, 200.0, 0.0], [200.0, -200.0, 0.0], [300.0, 300.0, 300.0]])
    label = tf.constant([[0.0], [0.0], [2.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses: Any = Objective(loss, gamma=0.5, target=_COLOURS).of_rows(label, logits)
    gradient: Any = tape.gradient(losses, logits)
    assert np.isfinite(losses.numpy()).all()
    assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("loss", LOSSES_OF["binary"])
def test_extreme_logits_have_a_finite_loss_and_gradient(loss: str) -> None:
    logit = tf.constant([[-200.0], [200.0], [-200.0], [200.0]])
    label = tf.constant([[1.0], [0.0], [0.0], [1.0]])
    with tf.GradientTape() as tape:
        tape.watch(logit)
        losses: Any = Objective(loss).of_rows(label, logit)
    assert np.isfinite(losses.numpy()).all()
    gradient: Any = tape.gradient(losses, logit)
    assert np.isfinite(gradient.numpy()).all()


def test_class_weights_that_balance_are_scikit_learns() -> None:
    three: Any = compute_class_weight(
        "balanced", classes=np.arange(3), y=np.repeat([0, 1, 2], [70, 9, 3])
    )
    assert balanced((70, 9, 3)) == pytest.approx(tuple(three))
    labels = np.repeat([0, 1], [70, 9])
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    assert balanced((70, 9)) == pytest.approx(tuple(expected))
    assert doctest.testmod(module).failed == 0


def test_penalties_are_of_kernels_and_embeddings_only() -> None:
    keras.utils.set_random_seed(1)
    codes = keras.Input((1,), dtype="int32")
    embedded: Any = keras.layers.Embedding(3, 2)(codes)
    dense: Any = keras.layers.Dense(2, bias_initializer="ones", use_bias=True)
    normalised: Any = keras.layers.BatchNormalization()(dense(embedded))
    model = keras.Model(codes, normalised)
    table, kernel = model.layers[1].get_weights()[0], dense.get_weights()[0]
    flat = np.concatenate([table.ravel(), kernel.ravel()]).astype(np.float64)
    found = Objective(l1=0.1, l2=0.01).penalty(model.trainable_variables)
    assert float(found) == pytest.approx(0.1 * np.abs(flat).sum() + 0.01 * (flat**2).sum())
    assert Objective().penalty(model.trainable_variables) == 0.0


def test_smoothing_is_left_out_where_a_split_is_measured() -> None:
    smoothed = Objective("mse", label_smoothing=0.1, class_weights=(1.0, 2.0))
    assert smoothed.unsmoothed() == Objective("mse", class_weights=(1.0, 2.0))
    assert Objective(label_smoothing=0.1).is_log_loss
    assert not smoothed.is_log_loss
