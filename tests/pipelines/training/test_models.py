"""The network: shapes, first weights by seed, dropout by step."""

import doctest
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import TrainingError
from pipelines.training import models
from pipelines.training.dropout import global_dropout
from pipelines.training.models import build_model
from pipelines.world import World
from schemas.encode import FeatureSet

NUMERIC = FeatureSet(("x",), (), (), "label")
CODES = FeatureSet((), ("c",), (30,), "label")
BOTH = FeatureSet(("x", "y"), ("c", "d"), (30, 40), "label")


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(models).failed == 0


@pytest.mark.parametrize("features", [NUMERIC, CODES, BOTH])
def test_any_mix_of_features_gives_one_logit_a_row(features: FeatureSet) -> None:
    model: Any = build_model(features, (4,), 0.1, 1)
    inputs = {
        "numeric": np.ones((3, len(features.numeric)), np.float32),
        "categorical": np.full((3, len(features.categorical)), 29, np.int32),
    }
    assert model(inputs).shape == (3, 1)


def test_no_features_are_refused() -> None:
    with pytest.raises(TrainingError, match="at least one feature"):
        build_model(FeatureSet((), (), (), "label"), (4,), 0.1, 1)


def test_first_weights_follow_the_seed() -> None:
    one, again, other = (build_model(BOTH, (4,), 0.1, seed) for seed in (1, 1, 2))
    pairs = list(zip(one.variables, again.variables, strict=True))
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
    assert not np.array_equal(one.variables[0].numpy(), other.variables[0].numpy())


def test_ranks_take_their_rows_of_one_global_mask_and_the_class_is_given_back() -> None:
    step = tf.Variable(tf.constant(5, tf.int64))
    whole = _masked(World(0, 1), 8, step)
    parts = [_masked(World(rank, 2), 4, step) for rank in range(2)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert set(np.unique(whole)) == {0.0, 2.0}
    step.assign(6)
    assert not np.array_equal(whole, _masked(World(0, 1), 8, step))


def _masked(world: World, rows: int, step: tf.Variable) -> Any:
    layer = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((16,)), layer])
    with global_dropout(model, world, 3, step):
        masked = layer(tf.ones((rows, 16)), training=True)
    assert type(layer) is keras.layers.Dropout
    return np.asarray(masked)
