"""What a teacher adds to the loss, against NumPy; and which teachers are refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import ParameterError
from pipelines.training.distillation import Teaching, make_teacher
from pipelines.training.objective import Objective
from schemas.target import BINARY, Target

_COLOURS = Target("classes", ("red", "green", "blue"))
_SPEED = Target("number", unit="mph", mean=50.0, deviation=8.0)
_TAUGHT = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 0.0], [-3.0, 4.0, 1.0]])
_GIVEN = np.array([[1.0, 1.0, 0.0], [0.5, 0.1, 0.0], [2.0, -2.0, 0.3]])
_PLACES = np.array([0, 2, 1])


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _rows(objective: Objective, label: Any, given: Any, taught: Any) -> NDArray[np.float64]:
    found: Any = objective.of_rows(*map(tf.constant, (label, given, taught)))
    return found.numpy()


@pytest.mark.parametrize("temperature", [1.0, 2.0, 20.0])
def test_of_classes_it_is_the_divergence_at_a_temperature(temperature: float) -> None:
    q, p = _softmax(_TAUGHT / temperature), _softmax(_GIVEN / temperature)
    soft = temperature**2 * np.sum(q * np.log(q / p), axis=1)
    hard = -np.log(_softmax(_GIVEN)[np.arange(3), _PLACES])
    weights = np.array([1.0, 4.0, 0.5])
    objective = Objective(
        target=_COLOURS, teaching=Teaching(0.3, temperature), class_weights=tuple(weights)
    )
    found = _rows(objective, _PLACES[:, None].astype(float), _GIVEN, _TAUGHT)
    # the weight of a class is of all that its rows say
    assert np.allclose(found, weights[_PLACES] * (0.7 * hard + 0.3 * soft), rtol=1e-10, atol=0)


def test_a_label_of_two_classes_is_that_of_two_logits() -> None:
    label, given, taught = (
        np.array([[0.0], [1.0]]),
        np.array([[0.4], [-2.0]]),
        np.array([[3.0], [0.1]]),
    )
    binary = _rows(Objective(teaching=Teaching(0.6, 4.0)), label, given, taught)
    pair = Target("classes", ("no", "yes"))
    zeros = np.zeros((2, 1))
    wide = [np.hstack([zeros, logit]) for logit in (given, taught)]
    both = _rows(Objective(target=pair, teaching=Teaching(0.6, 4.0)), label, *wide)
    assert np.allclose(binary, both, rtol=1e-12, atol=0)


def test_of_a_number_it_is_the_squared_difference_in_deviations() -> None:
    objective = Objective("mse", target=_SPEED, teaching=Teaching(0.25))
    found = _rows(objective, np.array([[50.0]]), np.array([[58.0]]), np.array([[74.0]]))
    assert found.tolist() == pytest.approx([0.75 * 1 + 0.25 * 4])


def test_a_teacher_that_says_the_same_adds_nothing_and_gets_no_gradient() -> None:
    logits = tf.constant(_GIVEN)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses: Any = Teaching(1.0, 3.0).of_rows(_COLOURS, logits, logits)
    assert np.allclose(losses, 0, atol=1e-12)
    # of q log q - q log p only p is the student's: at p = q its gradient is 0
    gradient: Any = tape.gradient(losses, logits)
    assert np.allclose(gradient, 0, atol=1e-12)


def test_without_a_teacher_nothing_is_blended() -> None:
    objective = Objective(target=_COLOURS, teaching=Teaching(0.3))
    label, given = tf.constant(_PLACES[:, None].astype(float)), tf.constant(_GIVEN)
    found: Any = objective.of_rows(label, given)
    assert np.allclose(found, -np.log(_softmax(_GIVEN)[np.arange(3), _PLACES]))


def _network(width: int = 2, name: str = "numeric", activation: Any = None) -> keras.Model:
    inputs = keras.Input((width,), name=name, dtype="float32")
    output: Any = keras.layers.Dense(1, activation)(inputs)
    return keras.Model({name: inputs}, output)


@pytest.mark.parametrize("teacher", [_network(3), _network(2, "others")])
def test_a_teacher_of_other_inputs_is_refused(teacher: keras.Model) -> None:
    message = r"--teacher: expected a model of the same inputs; it takes \w+ \(. float32|\)"
    with pytest.raises(ParameterError, match=message):
        make_teacher(teacher, _network(), BINARY, is_logit=True)


def test_probabilities_are_taught_as_logits() -> None:
    keras.utils.set_random_seed(1)
    plain, inputs = _network(), {"numeric": tf.constant([[0.3, -2.0], [1.0, 0.5]])}
    sure = _network(activation="sigmoid")
    sure.set_weights(plain.get_weights())
    logits = make_teacher(plain, plain, BINARY, is_logit=True)(inputs)
    again = make_teacher(sure, plain, BINARY, is_logit=False)(inputs)
    assert np.allclose(logits, again, atol=1e-5)
