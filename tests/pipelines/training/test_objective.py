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
