"""Small networks that have learned one planted word, or one planted patch; and their rows."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.arrays import Arrays
from pipelines.training.models import build_model_of
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureColumn, FeatureSet
from schemas.target import Target

WORD = 7
TEXT = FeatureColumn("text_tokens", "tokens", size=20, length=10)
TEXTS = FeatureSet((), (), (), "label", tokens=(TEXT,))
PHOTO = FeatureColumn(
    "photo", "image", shape=(12, 12, 1), means=(100.0,), deviations=(50.0,)
)  # fmt: skip
PHOTOS = FeatureSet((), (), (), "kind", Target("classes", ("none", "patch")), images=(PHOTO,))


def text_network(network: str, features: FeatureSet = TEXTS, **changes: Any) -> Any:
    """An untrained network of texts."""
    said: dict[str, Any] = {"embedding_dim": 4, "hidden": (), "dropout": 0.0, "seed": 3} | changes
    if network in ("text-cnn", "bigru"):
        said["units"] = 4
    return build_model_of(TrainParams("d", "f@v0", "s", network=network, **said), features)


def texts(rows: int, seed: int) -> Arrays:
    """Texts of 3 to 10 words; the label is whether the planted word is there."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 11, rows).astype(np.int32)
    tokens = random.integers(8, 20, (rows, 10)).astype(np.int32)
    label = random.integers(0, 2, rows).astype(np.int32)
    tokens[np.flatnonzero(label), random.integers(0, 3, int(label.sum()))] = WORD
    tokens[np.arange(10) >= lengths[:, None]] = 0
    return _arrays(label, {"text_tokens": tokens, "text_tokens_length": lengths})


def photos(rows: int, seed: int) -> Arrays:
    """Images of noise; the class is whether the upper left of four by four pixels is bright."""
    random = np.random.default_rng(seed)
    pixels = random.integers(40, 160, (rows, 12, 12, 1)).astype(np.uint8)
    label = random.integers(0, 2, rows).astype(np.int32)
    pixels[label == 1, :4, :4] = 250
    return _arrays(label, {"photo": pixels})


@cache
def learned_texts() -> Any:
    """A bag of words that has learned the planted one."""
    model = text_network("bag")
    _learn(model, texts(300, 1), "binary_crossentropy", 40)
    return model


@cache
def learned_photos() -> Any:
    """A convolutional network that has learned the planted patch."""
    params = TrainParams("d", "f@v0", "s", network="cnn", width=4, hidden=(), dropout=0.0, seed=1)
    model: Any = build_model_of(params, PHOTOS)
    _learn(model, photos(200, 1), "sparse_categorical_crossentropy", 12)
    return model


def given(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The rows as a network takes them."""
    return {"numeric": arrays.numeric, "categorical": arrays.categorical, **arrays.others}


def _learn(model: Any, rows: Arrays, loss: str, epochs: int) -> None:
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    of: Any = {
        "binary_crossentropy": keras.losses.BinaryCrossentropy(from_logits=True),
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy(True),
    }[loss]
    optimizer: Any = keras.optimizers.Adam(0.03)
    optimizer.build(model.trainable_variables)
    inputs = {name: tf.constant(array) for name, array in given(rows).items()}
    label = tf.constant(rows.label[:, None] if "binary" in loss else rows.label)

    def step() -> None:
        with tf.GradientTape() as tape:
            value = of(label, model(inputs, training=True))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)

    traced: Any = tf.function(step)
    for _ in range(epochs):
        traced()


def _arrays(label: npt.NDArray[np.int32], others: dict[str, npt.NDArray[Any]]) -> Arrays:
    rows = len(label)
    return Arrays(np.zeros((rows, 0), np.float32), np.zeros((rows, 0), np.int32), label, others)
