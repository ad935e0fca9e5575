"""The last layers: what a network gives for each kind of label, and that it is read back so."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.predict import make_predictor, open_predictor
from pipelines.state import file_digest
from pipelines.training.models import build_model, save_model
from schemas.encode import FeatureSet
from schemas.target import BINARY, Target

_COLOURS = Target("classes", ("red", "green", "blue"))
_SPEED = Target("number", unit="mph", mean=50.0, deviation=8.0)
_ROWS = Arrays(
    np.array([[0.5], [-2.0]], np.float32), np.empty((2, 0), np.int32), np.zeros(2, np.int32)
)


def _model(target: Target) -> Any:
    return build_model(FeatureSet(("x",), (), (), "label", target), (4,), 0.0, 1)


def _inputs() -> dict[str, Any]:
    return {"numeric": _ROWS.numeric, "categorical": _ROWS.categorical}


@pytest.mark.parametrize("target", [BINARY, _COLOURS, _SPEED])
def test_a_head_is_as_wide_as_its_target_and_in_float32(target: Target) -> None:
    given = _model(target)(_inputs())
    assert given.shape == (2, target.width)
    assert given.dtype == "float32"


def test_a_number_that_is_zero_inside_is_the_training_mean() -> None:
    model = _model(_SPEED)
    standard = model.get_layer("standard")
    standard.set_weights([np.zeros((4, 1), np.float32), np.array([0.25], np.float32)])
    assert model(_inputs()).numpy().tolist() == [[52.0], [52.0]]


def test_probabilities_of_classes_are_the_softmax_of_the_logits(tmp_path: Path) -> None:
    model = _model(_COLOURS)
    logits = model(_inputs()).numpy().astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    path = tmp_path / "model.keras"
    save_model(model, path)
    found = open_predictor(str(path), file_digest(path), _COLOURS)(_ROWS)
    assert found.shape == (2, 3)
    assert np.allclose(found, expected, atol=1e-6)


def test_a_number_is_given_as_it_is_also_from_the_file(tmp_path: Path) -> None:
    model, path = _model(_SPEED), tmp_path / "model.keras"
    save_model(model, path)
    found = open_predictor(str(path), file_digest(path), _SPEED)(_ROWS)
    assert found.tolist() == pytest.approx(model(_inputs()).numpy()[:, 0].tolist())
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


@pytest.mark.parametrize(
    ("built", "asked", "message"),
    [
        (_COLOURS, BINARY, "the width 1; logits has the activation linear and 3"),
        (BINARY, _COLOURS, "the width 3; logit has the activation linear and 1"),
        (_COLOURS, _SPEED, "linear or none and the width 1"),
        (_SPEED, BINARY, "sigmoid or linear and the width 1; number has the activation none"),
    ],
)
def test_a_model_of_another_label_is_refused(built: Target, asked: Target, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make_predictor(_model(built), asked)


def test_a_softmax_at_the_end_is_not_taken_twice() -> None:
    numeric = keras.Input((1,), name="numeric", dtype="float32")
    model = keras.Model({"numeric": numeric}, keras.layers.Dense(3, "softmax")(numeric))
    found = make_predictor(model, _COLOURS)(_ROWS)
    assert np.allclose(found, model({"numeric": _ROWS.numeric}).numpy(), atol=1e-6)
