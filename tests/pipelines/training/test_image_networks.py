"""Networks of images: they learn, standardise by the training split, and load as plain Keras."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import ParameterError
from pipelines.evaluation.model_file import check_model_file
from pipelines.training import distributed
from pipelines.training.batch_norm import global_batch_norm
from pipelines.training.models import build_model_of, save_model
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureColumn, FeatureSet
from schemas.target import Target

PHOTO = FeatureColumn(
    "photo", "image", shape=(9, 12, 3), means=(100.0, 120.0, 140.0), deviations=(50.0, 60.0, 70.0)
)
FEATURES = FeatureSet(("x",), (), (), "kind", Target("classes", ("a", "b", "c")), images=(PHOTO,))
PARAMS = TrainParams("d", "f@v0", "s", network="resnet", width=4, hidden=(), dropout=0.0)


def _inputs(rows: int, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "numeric": random.normal(size=(rows, 1)).astype(np.float32),
        "categorical": np.zeros((rows, 0), np.int32),
        "photo": random.integers(0, 256, (rows, 9, 12, 3), np.uint8),
    }


@pytest.mark.parametrize("network", ["cnn", "resnet"])
def test_a_saved_network_gives_what_it_gave(network: str, tmp_path: Path) -> None:
    model = build_model_of(replace(PARAMS, network=network, hidden=(5,)), FEATURES)
    save_model(model, tmp_path / "model.keras")
    check_model_file(tmp_path / "model.keras")
    loaded: Any = keras.saving.load_model(tmp_path / "model.keras")
    given = model(_inputs(6), training=False)
    assert given.shape == (6, 3)
    assert np.array_equal(given, loaded(_inputs(6), training=False))
    again = build_model_of(replace(PARAMS, network=network, hidden=(5,)), FEATURES)
    assert np.array_equal(given, again(_inputs(6), training=False))


def test_pixels_are_standardised_by_the_moments_of_the_training_split() -> None:
    model = build_model_of(PARAMS, FEATURES)
    standard = model.get_layer("standard_photo")
    pixels = np.array([100, 120, 140], np.uint8) * np.ones((1, 9, 12, 1), np.uint8)
    assert np.abs(standard(pixels)).max() < 1e-6
    assert np.allclose(standard(pixels + np.uint8(50)), [50 / 50, 50 / 60, 50 / 70], atol=1e-6)


def test_a_wide_network_has_the_weights_of_its_paper() -> None:
    wide = FeatureColumn(
        "photo", "image", shape=(32, 32, 3), means=(1.0,) * 3, deviations=(1.0,) * 3
    )
    features = FeatureSet((), (), (), "k", Target("classes", tuple("abcdefghij")), images=(wide,))
    model = build_model_of(replace(PARAMS, network="cnn", width=32, hidden=(512,)), features)
    # Keras, cifar10_cnn.py, with padding in each convolution
    kernels = 3 * 9 * 32 + 32 * 9 * 32 + 32 * 9 * 64 + 64 * 9 * 64 + 8 * 8 * 64 * 512 + 512 * 10
    biases = 32 + 32 + 64 + 64 + 512 + 10
    assert model.count_params() == kernels + biases


def test_other_features_are_refused() -> None:
    with pytest.raises(ParameterError, match="--network resnet reads images"):
        build_model_of(PARAMS, replace(FEATURES, images=()))
    with pytest.raises(ParameterError, match="--network dense reads numbers and codes"):
        build_model_of(replace(PARAMS, network="dense", width=32), FEATURES)
    with pytest.raises(ParameterError, match="--width counts only with --network cnn or resnet"):
        replace(PARAMS, network="dense")


def test_moments_over_pixels_leave_empty_slots_out() -> None:
    distributed.start()
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 5, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    rows = np.random.default_rng(3).normal(2.0, 3.0, (6, 4, 5, 3)).astype(np.float32)
    plain = model(rows, training=True).numpy()
    padded = np.concatenate([rows, np.full((2, 4, 5, 3), 1e3, np.float32)])
    with global_batch_norm(model) as (layer,):
        layer.row_weight = tf.constant([1.0] * 6 + [0.0] * 2)
        made = model(padded, training=True).numpy()
    assert np.allclose(made[:6], plain, atol=1e-5)
