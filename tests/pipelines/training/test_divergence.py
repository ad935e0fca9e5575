"""The divergence check: equal bits or an error that names the variable."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.errors import TrainingError
from pipelines.training.divergence import check_agreement, weights_digest

VARIABLES = [keras.Variable(np.ones(3), name="first"), keras.Variable(np.zeros(4), name="second")]


def _beside(others: list[keras.Variable]) -> NDArray[np.int64]:
    return np.stack([weights_digest(VARIABLES), weights_digest(VARIABLES), weights_digest(others)])


def test_equal_weights_pass_and_give_one_digest() -> None:
    digest = check_agreement(VARIABLES, lambda _, __: _beside(VARIABLES), "epoch 1")
    assert digest == check_agreement(VARIABLES, lambda own, _: own[None], "epoch 2")


def test_one_bit_of_one_rank_is_noticed() -> None:
    odd = [VARIABLES[0], keras.Variable([0.0, 0.0, -0.0, 0.0])]  # minus zero: equal, other bits
    with pytest.raises(TrainingError, match=r"epoch 4: .* first 'second' on ranks \[2\]"):
        check_agreement(VARIABLES, lambda _, __: _beside(odd), "epoch 4")
