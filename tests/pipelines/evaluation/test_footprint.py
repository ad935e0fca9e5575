"""What a model weighs, and how the turns of a timing go."""

from typing import Any

import keras
import numpy as np
import pytest

from pipelines.evaluation import footprint
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.footprint import count_weights, seconds_per_1000_rows


def test_bytes_are_of_all_weights_and_zeros_of_kernels() -> None:
    inputs = keras.Input((3,))
    output: Any = keras.layers.Dropout(0.5, seed=1)(keras.layers.Dense(2)(inputs))
    model = keras.Model(inputs, output)
    model.layers[1].set_weights([np.array([[0, 1], [2, 0], [0, 3]]), np.zeros(2)])
    assert count_weights(model) == {
        "weight_bytes": 4 * (6 + 2),
        "kernel_weights": 6,
        "kernel_zeros": 3,
    }


def test_predictors_take_turns_and_the_median_is_of_1000_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []
    rows = Arrays(np.zeros((500, 1), np.float32), np.zeros((500, 0), np.int32), np.zeros(500))

    def predictor(name: str) -> Any:
        return lambda _: called.append(name)

    # of each turn when it began and ended: one took long
    clock = iter([0.0, 1.0, 0.0, 2.0, 0.0, 100.0, 0.0, 4.0, 0.0, 3.0, 0.0, 6.0])
    monkeypatch.setattr(footprint.time, "process_time", lambda: next(clock))
    found = seconds_per_1000_rows({name: predictor(name) for name in "ab"}, rows, 3)
    assert called == ["a", "b"] + ["a", "b"] * 3
    assert found == {"a": 3.0 * 2, "b": 4.0 * 2}
