"""The network: shapes, first weights by seed, dropout by step."""

import doctest
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import TrainingError
from pipelines.training.dropout import global_dropout
from pipelines.training.method import ACTIVATIONS
from pipelines.training.models import build_model
from pipelines.training.networks import inputs
from pipelines.world import World
from schemas.encode import FeatureSet

NUMERIC = FeatureSet(("x",), (), (), "label")
CODES = FeatureSet((), ("c",), (30,), "label")
BOTH = FeatureSet(("x", "y"), ("c", "d"), (30, 40), "label")


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(inputs).failed == 0


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


def test_masks_of_whole_dimensions_are_the_global_batch_s_and_know_no_length() -> None:
    step = tf.Variable(tf.constant(5, tf.int64))
    whole = _spatially_masked(World(0, 1), 8, 6, step)
    parts = [
        _spatially_masked(World(rank, 2), 4, length, step)[:, :1]
        for rank, length in ((0, 6), (1, 3))
    ]
    assert np.array_equal(whole[:, :1], np.concatenate(parts))
    assert (whole == whole[:, :1]).all()
    assert set(np.unique(whole)) == {0.0, 2.0}


def _spatially_masked(world: World, rows: int, length: int, step: tf.Variable) -> Any:
    layer = keras.layers.SpatialDropout1D(0.5)
    model = keras.Sequential([keras.Input((None, 16)), layer])
    with global_dropout(model, world, 3, step):
        masked = layer(tf.ones((rows, length, 16)), training=True)
    assert type(layer) is keras.layers.SpatialDropout1D
    return np.asarray(masked)


@pytest.mark.parametrize("has_batch_norm", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_layers_have_the_activation_that_is_named(
    activation: str, *, has_batch_norm: bool
) -> None:
    model: Any = build_model(
        NUMERIC, (4,), 0.1, 1, activation=activation, has_batch_norm=has_batch_norm
    )
    names = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    assert names.count(activation) == 1
    assert set(names) <= {activation, "linear"}


def test_first_weights_for_selu_have_the_variance_that_it_was_made_for() -> None:
    wide = FeatureSet(tuple(f"x{number}" for number in range(200)), (), (), "label")
    model: Any = build_model(wide, (500,), 0.0, 1, activation="selu")
    kernel = model.get_layer("dense_0").get_weights()[0]
    # Klambauer et al. 2017, section 2: 1 / inputs; glorot's would be 2 / (inputs + outputs)
    assert np.var(kernel) == pytest.approx(1 / 200, rel=0.03)
