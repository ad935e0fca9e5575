"""How far each layer is from the answer, and one step at a rate of its own, by hand."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.training.layer_graph import layer_depths, named_layers, readers_of
from pipelines.training.layer_rates import layer_scales, make_optimizer_of
from pipelines.training.method import Method
from pipelines.training.models import build_model_of
from pipelines.training.networks.catalog import build_network
from pipelines.training.parameters import TrainParams
from pipelines.training.settings import LoopSettings
from schemas.encode import FeatureColumn, FeatureSet

TEXT = FeatureSet((), (), (), "label", tokens=(FeatureColumn("words", "tokens", 9, 6),))
TABLE = FeatureSet(("x",), ("shop",), (4,), "label")


def _build(features: FeatureSet, **said: Any) -> keras.Model:
    return build_model_of(TrainParams("none", "none@v0", "none", **said), features)


def test_depth_counts_the_layers_between_a_layer_and_the_answer() -> None:
    keras.utils.clear_session()
    model = _build(TEXT, network="text-cnn", embedding_dim=4, units=3, hidden=(5, 2))
    convolutions = dict.fromkeys(("conv1d", "conv1d_1", "conv1d_2"), 3)
    dense = {"dense_0": 2, "dense_1": 1, "logit": 0}
    assert layer_depths(model) == {"embed_words": 4, **convolutions, **dense}
    # a normalisation is as far as the layer that it follows
    normal = _build(TABLE, network="dense", hidden=(5, 2), batch_norm=True)
    assert layer_depths(normal) == {
        "embed_0": 3,
        "dense_0": 2,
        "norm_0": 2,
        "dense_1": 1,
        "norm_1": 1,
        "logit": 0,
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_depth_is_that_of_the_longest_way_to_the_answer(order: tuple[int, int]) -> None:
    given = keras.Input((2,), name="numeric")
    first = keras.layers.Dense(2, name="first")(given)
    second = keras.layers.Dense(2, name="second")(first)
    added = keras.layers.Add()([(first, second)[place] for place in order])
    answer = keras.layers.Dense(1, name="logit")(added)
    assert layer_depths(keras.Model(given, answer)) == {"first": 2, "second": 1, "logit": 0}


def test_in_a_transformer_too_a_normalisation_counts_with_the_layer_that_it_follows() -> None:
    keras.utils.clear_session()
    model = _build(TEXT, network="transformer", embedding_dim=4, hidden=())
    embeddings = dict.fromkeys(("embed_words", "embedding", "layer_normalization"), 4)
    attention = dict.fromkeys(("multi_head_attention", "layer_normalization_1"), 3)
    outer = dict.fromkeys(("outer_0", "layer_normalization_2"), 1)
    assert layer_depths(model) == {**embeddings, **attention, "inner_0": 2, **outer, "logit": 0}


def test_the_fourth_network_of_a_process_has_the_names_of_the_first() -> None:
    keras.utils.clear_session()
    params = TrainParams(
        "none", "none@v0", "none", network="text-cnn", embedding_dim=4, units=3, hidden=(5,)
    )
    for _ in range(4):  # that of the last has layers conv1d_9 and conv1d_10
        layers = named_layers(build_network(TEXT, params))
        widths = {name: layer.kernel_size for name, layer in layers.items() if "conv" in name}
        assert widths == {"conv1d": (3,), "conv1d_1": (4,), "conv1d_2": (5,)}
        assert {*layers} == {*widths, "embed_words", "dense_0", "logit"}


def test_who_reads_numbers_first_is_found_behind_embeddings() -> None:
    model = _build(TABLE, network="dense", hidden=(5, 2))
    assert readers_of(model, ("numeric", "categorical")) == {"dense_0"}
    codes = FeatureSet((), ("shop",), (4,), "label")
    assert readers_of(_build(codes, network="dense", hidden=(5, 2)), ("categorical",)) == {
        "dense_0"
    }
    assert readers_of(_build(TEXT, network="bag", embedding_dim=4), ("numeric",)) == set()


def _one_step(optimizer: str, decay: float = 0.0) -> dict[str, Any]:
    """Give what one step of gradients of 1 adds to weights of 1 at layer rates of a half."""
    model = _build(TABLE, network="dense", hidden=(3,))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    method = Method(optimizer, layer_decay=0.5)
    settings = LoopSettings(Path(), 1, 0.1, 0.0, 0, decay, 1, method=method)
    made = make_optimizer_of(model, settings, 1)
    made.build(model.trainable_variables)
    gradients = [np.ones(variable.shape, np.float32) for variable in model.trainable_variables]
    made.apply(gradients, model.trainable_variables)
    layers = named_layers(model)
    return {name: 1 - float(layer.get_weights()[0].flat[0]) for name, layer in layers.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_layer_further_from_the_answer_steps_shorter(optimizer: str) -> None:
    # Adam's first step is the rate whatever the gradient: a scaled gradient would change nothing
    assert _one_step(optimizer) == pytest.approx(
        {"embed_0": 0.025, "dense_0": 0.05, "logit": 0.1}, rel=1e-4
    )


def test_weight_decay_goes_at_the_layer_s_rate() -> None:
    found = _one_step("adamw", decay=0.5)
    assert found == pytest.approx(
        {"embed_0": 0.025 * 1.5, "dense_0": 0.05 * 1.5, "logit": 0.1 * 1.5}, rel=1e-4
    )


def test_rates_are_those_of_the_variables_that_are_left_to_train() -> None:
    model = _build(TABLE, network="dense", hidden=(3,))
    named_layers(model)["embed_0"].trainable = False
    assert layer_scales(model, 0.5) == [0.5, 0.5, 1.0, 1.0]
