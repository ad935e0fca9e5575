"""Each optimizer's steps against NumPy, written from the papers."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.training import distributed
from pipelines.training.method import OPTIMIZERS, Method
from pipelines.training.optimizers import make_optimizer

Array: TypeAlias = NDArray[np.float64]
_RATE, _DECAY = 0.1, 0.01
_START = [np.array([1.0, -2.0, 0.5]), np.array([[0.3, -0.1], [2.0, 4.0]])]
_GRADS = [
    [np.array([0.5, -1.0, 0.25]), np.array([[0.1, 0.0], [-3.0, 0.2]])],
    [np.array([-0.4, -1.0, 0.5]), np.array([[0.3, 0.1], [-1.0, -0.2]])],
    [np.array([0.1, 2.0, 0.0]), np.array([[-0.1, 0.7], [0.5, 0.9]])],
]


def _trained(method: Method, num_steps: int = 1) -> list[Array]:
    variables = [keras.Variable(value.astype(np.float32)) for value in _START]
    optimizer = make_optimizer(method, _RATE, _DECAY, num_steps)
    for grads in _GRADS:
        optimizer.apply([tf.constant(grad, tf.float32) for grad in grads], variables)
    return [variable.numpy() for variable in variables]


def _each(update: Callable[[Array, list[Array]], Array]) -> list[Array]:
    """Apply ``update``, of a weight and its three gradients, to both variables."""
    return [update(start, [step[place] for step in _GRADS]) for place, start in enumerate(_START)]


def _sgd(w: Array, grads: list[Array]) -> Array:
    for g in grads:
        w = w - _RATE * g
    return w


def _momentum(w: Array, grads: list[Array]) -> Array:
    # Polyak 1964; Sutskever et al. 2013, equations 1 and 2
    velocity = np.zeros_like(w)
    for g in grads:
        velocity = 0.8 * velocity - _RATE * g
        w = w + velocity
    return w


def _nesterov(w: Array, grads: list[Array]) -> Array:
    # Nesterov 1983 as Sutskever et al. 2013, equations 3 and 4, has it: the gradient is taken at
    # the point looked ahead to. Followed there, u = w + 0.8 v, since that is where g was taken
    velocity = np.zeros_like(w)
    for g in grads:
        before = w - 0.8 * velocity
        velocity = 0.8 * velocity - _RATE * g
        w = before + velocity + 0.8 * velocity
    return w


def _adagrad(w: Array, grads: list[Array]) -> Array:
    # Duchi et al. 2011, figure 1, diagonal; sums begin at 0.1, as in Keras
    sums = np.full_like(w, 0.1)
    for g in grads:
        sums = sums + g**2
        w = w - _RATE * g / np.sqrt(sums + 1e-7)
    return w


def _rmsprop(w: Array, grads: list[Array]) -> Array:
    # Tieleman and Hinton 2012, lecture 6.5
    mean = np.zeros_like(w)
    for g in grads:
        mean = 0.9 * mean + 0.1 * g**2
        w = w - _RATE * g / np.sqrt(mean + 1e-7)
    return w


def _adam_directions(grads: list[Array]) -> list[Array]:
    # Kingma and Ba 2015, algorithm 1; Keras adds epsilon before the bias is corrected, section 2
    m, v, directions = 0.0, 0.0, []
    for t, g in enumerate(grads, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        scale = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        directions.append(scale * m / (np.sqrt(v) + 1e-7))
    return directions


def _adam(w: Array, grads: list[Array]) -> Array:
    return w - _RATE * sum(_adam_directions(grads))


def _adamw(w: Array, grads: list[Array]) -> Array:
    # Loshchilov and Hutter 2019, algorithm 2, line 12: the decay goes past the moments
    for direction in _adam_directions(grads):
        w = w - _RATE * (_DECAY * w + direction)
    return w


def _lamb(w: Array, grads: list[Array]) -> Array:
    # You et al. 2020, algorithm 2, norms by layer; the decay goes before, as Keras has it, and not
    # into the direction
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(grads, 1):
        w = w - _RATE * _DECAY * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        r = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
        w = w - _RATE * np.linalg.norm(w) / np.linalg.norm(r) * r
    return w


_BY_HAND = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "lamb": _lamb,
}


@pytest.mark.parametrize("name", _BY_HAND)
def test_three_steps_are_those_of_the_paper(name: str) -> None:
    ours = _trained(Method(name, momentum=0.8))
    for found, expected in zip(ours, _each(_BY_HAND[name]), strict=True):
        assert np.allclose(found, expected, rtol=0, atol=1e-5)


def test_every_optimizer_has_a_test_of_its_arithmetic() -> None:
    assert {*_BY_HAND, "gradient-descent"} == {*OPTIMIZERS}


def test_gradient_descent_moves_once_an_epoch_along_the_mean_gradient() -> None:
    ours = _trained(Method("gradient-descent"), num_steps=3)
    expected = _each(lambda w, grads: w - _RATE * sum(grads) / 3)
    for found, wanted in zip(ours, expected, strict=True):
        assert np.allclose(found, wanted, rtol=0, atol=1e-6)


def test_gradient_descent_stands_still_inside_an_epoch_and_keeps_its_sum_as_state() -> None:
    variable = keras.Variable([1.0])
    optimizer = make_optimizer(Method("gradient-descent"), _RATE, 0.0, 2)
    optimizer.apply([tf.constant([3.0])], [variable])
    assert variable.numpy().tolist() == [1.0]
    assert [3.0] in [state.numpy().tolist() for state in optimizer.variables]
    optimizer.apply([tf.constant([1.0])], [variable])
    assert variable.numpy() == pytest.approx([1.0 - _RATE * 2.0])
    assert [0.0] in [state.numpy().tolist() for state in optimizer.variables]


def _clipped(method: Method, grads: list[Any], num_steps: int = 1) -> list[float]:
    """How far each of two weights went, over the rate, after all ``grads``."""
    variables = [keras.Variable([0.0]), keras.Variable([0.0])]
    optimizer = make_optimizer(method, 1.0, 0.0, num_steps)
    with distributed.summed_gradients(optimizer):
        for pair in grads:
            optimizer.apply([tf.constant([value]) for value in pair], variables)
    return [-float(variable.numpy()[0]) for variable in variables]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Method("sgd"), [3.0, -4.0]),
        # Pascanu et al. 2013, algorithm 1: the norm of all gradients together, 5, becomes 1
        (Method("sgd", clip_norm=1.0), [0.6, -0.8]),
        (Method("sgd", clip_norm=6.0), [3.0, -4.0]),
        (Method("sgd", clip_value=3.5), [3.0, -3.5]),
    ],
)
def test_gradients_are_clipped_by_the_norm_of_all_or_each_by_its_value(
    method: Method, expected: list[float]
) -> None:
    distributed.start()
    assert _clipped(method, [(3.0, -4.0)]) == pytest.approx(expected)


def test_of_gradient_descent_the_whole_gradient_is_clipped_not_that_of_a_batch() -> None:
    distributed.start()
    method = Method("gradient-descent", clip_norm=5.0)
    # the mean of the two is (3, -4), of norm 5
    assert _clipped(method, [(60.0, -8.0), (-54.0, 0.0)], 2) == pytest.approx([3.0, -4.0])
