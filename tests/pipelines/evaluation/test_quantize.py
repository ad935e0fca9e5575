"""What of each kind of network Keras can hold in eight bits, and that the file says the same."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.model_file import check_model_file
from pipelines.evaluation.quantize import FORMS, pack, quantize
from pipelines.training.networks.catalog import build_network
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureColumn, FeatureSet

_TEXT = FeatureSet(("x",), (), (), "y", tokens=(FeatureColumn("t", "tokens", 50, length=6),))
_IMAGE = FeatureColumn("i", "image", 0, shape=(8, 8, 3), means=(0.5,) * 3, deviations=(0.2,) * 3)
_ROWS = 5


def _network(name: str) -> Any:
    features = _TEXT if name != "cnn" else FeatureSet((), (), (), "y", images=(_IMAGE,))
    sizes: dict[str, Any] = {"width": 2} if name == "cnn" else {"embedding_dim": 4}
    return build_network(
        features, TrainParams("d", "f@v0", "s", network=name, hidden=(4,), **sizes)
    )


def _inputs(model: Any) -> dict[str, Any]:
    random = np.random.default_rng(1)
    shapes = {t.name: [_ROWS, *(6 if n is None else n for n in t.shape[1:])] for t in model.inputs}
    rows = {
        t.name: random.integers(1, 50, shapes[t.name]).astype(t.dtype)
        if "int" in t.dtype
        else random.normal(size=shapes[t.name]).astype(t.dtype)
        for t in model.inputs
    }
    return rows | {name: np.full(_ROWS, 6, np.int32) for name in rows if name.endswith("_length")}


@pytest.mark.parametrize(
    ("network", "form", "num_layers", "kept"),
    [
        # embeddings of tokens and places, and two dense layers; attention keeps its four kernels
        ("transformer", "int8-activations", 4, "attention"),
        ("cnn", "int8", 2, "conv"),
    ],
)
def test_what_keras_can_not_save_in_eight_bits_stays_as_it_is(
    tmp_path: Path, network: str, form: str, num_layers: int, kept: str
) -> None:
    model = _network(network)
    rows = _inputs(model)
    before = model(rows).numpy()
    layers = quantize(model, form)
    assert len(layers) >= num_layers
    assert not [name for name in layers if kept in name]
    path = tmp_path / "model.keras"
    path.write_bytes(pack(model))
    check_model_file(path)
    loaded: Any = keras.saving.load_model(path)
    after = loaded(rows).numpy()
    assert np.array_equal(after, model(rows).numpy())
    # a weight is off by half of 1/127 of the greatest one at most
    assert 0 < np.abs(after - before).max() < 0.05 * max(1.0, np.abs(before).max())
    kinds = {v.dtype for v in loaded.variables if v.path.endswith(("kernel", "embeddings"))}
    assert kinds == {"int8", "float32"}


def test_a_row_is_answered_the_same_in_any_batch() -> None:
    model = _network("bag")
    quantize(model, "int8-activations")
    rows = _inputs(model)
    alone = model({name: array[:1] for name, array in rows.items()}).numpy()
    assert np.allclose(alone, model(rows).numpy()[:1], rtol=1e-6)


def test_a_packed_network_keeps_its_bits_and_its_zeros_take_no_room(tmp_path: Path) -> None:
    sizes: list[int] = []
    for is_pruned in (False, True):
        inputs = keras.Input((64,), name="numeric")
        output: Any = keras.layers.Dense(1)(keras.layers.Dense(256)(inputs))
        model = keras.Model({"numeric": inputs}, output)
        kernel: Any = model.layers[1].kernel
        if is_pruned:
            kernel.assign(np.where(np.arange(256) % 10 == 0, kernel.numpy(), 0))
        path = tmp_path / "model.keras"
        path.write_bytes(pack(model))
        loaded: Any = keras.saving.load_model(path)
        assert np.array_equal(loaded.layers[1].kernel.numpy(), kernel.numpy())
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0] / 3


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_network_without_such_a_layer_is_refused(form: str) -> None:
    inputs = keras.Input((4, 1), name="numeric")
    output: Any = keras.layers.GlobalMaxPooling1D()(keras.layers.Conv1D(1, 2)(inputs))
    with pytest.raises(ParameterError, match="it has none that Keras can quantise"):
        quantize(keras.Model(inputs, output), form)
