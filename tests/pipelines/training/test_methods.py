"""Every method on two ranks as on one, and resumed as undisturbed."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipelines.training import distributed
from pipelines.training.method import LOSSES_OF, OPTIMIZERS, SCHEDULES, Method
from pipelines.training.objective import Objective
from pipelines.world import World
from tests.pipelines.training.method_scenarios import WAYS, loop_of, train_each_way
from tests.pipelines.training.scenarios import cut_short, make_loop, weights

_TIMES = {"seconds", "rows_per_s", "train_s", "input_wait_s"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ways")


@pytest.fixture(scope="module")
def alone(table: str, folder: Path) -> dict[str, Any]:
    distributed.start()
    return train_each_way(table, str(folder), World(0, 1))


def test_all_that_there_is_is_trained_below() -> None:
    methods = [way["method"] for way in WAYS.values()]
    objectives = [way.get("objective", Objective()) for way in WAYS.values()]
    assert {method.optimizer for method in methods} == {*OPTIMIZERS}
    assert {method.schedule for method in methods} == {*SCHEDULES}
    binary = {item.loss for item in objectives if item.target.kind == "binary"}
    assert binary == {*LOSSES_OF["binary"]}
    assert {item.target.kind for item in objectives} == {*LOSSES_OF}


@pytest.mark.parametrize("way", WAYS)
def test_two_ranks_equal_one(two_ranks: dict[str, Any], alone: dict[str, Any], way: str) -> None:
    ours, theirs = alone[way], two_ranks["ways"][way]
    for one, two in zip(ours["weights"], theirs["weights"], strict=True):
        assert np.allclose(one, two, rtol=0, atol=2e-5)
    for one, two in zip(ours["history"], theirs["history"], strict=True):
        assert one.keys() == two.keys()
        for name in {*one} - _TIMES:
            assert one[name] == pytest.approx(two[name], rel=2e-5, abs=2e-5)


# their states: a sum of gradients, accumulators and a window, velocities and a plateau, masks
@pytest.mark.parametrize("way", ["gradient-descent", "adagrad", "momentum", "pruned"])
def test_a_run_cut_inside_an_epoch_goes_on_to_the_same_bits(
    table: str, alone: dict[str, Any], tmp_path: Path, way: str
) -> None:
    kept = cut_short(loop_of(table, str(tmp_path), World(0, 1), way, checkpoint_steps=2))
    assert kept[-1] == (1, 4)
    resumed = loop_of(table, str(tmp_path), World(0, 1), way)
    history = resumed.run().progress.history
    assert weights(resumed) == alone[way]["weights"]
    for name in ("loss", "val_loss", "learning_rate"):
        assert [epoch[name] for epoch in history] == [
            epoch[name] for epoch in alone[way]["history"]
        ]


def test_an_epoch_of_gradient_descent_is_one_step_along_the_gradient_of_all_rows(
    table: str, tmp_path: Path
) -> None:
    distributed.start()
    method = Method("gradient-descent", schedule="constant")
    changes: dict[str, Any] = {"epochs": 1, "warmup_epochs": 0.0, "learning_rate": 0.5}
    loop = make_loop(table, str(tmp_path), World(0, 1), method=method, **changes)
    for layer in loop.model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    batches = list(loop._train.batches(1))
    inputs, label, weight = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *batches)
    variables = loop.model.trainable_variables
    with tf.GradientTape() as tape:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(label, loop.model(inputs))
        mean = tf.reduce_sum(weight * losses[:, 0]) / 331
    grads: Any = tape.gradient(mean, [variable.value for variable in variables])
    expected = [
        variable.numpy() - 0.5 * tf.convert_to_tensor(grad)
        for variable, grad in zip(variables, grads, strict=True)
    ]
    history = loop.run().progress.history
    assert history[0]["loss"] == pytest.approx(float(mean), abs=1e-6)
    for found, wanted in zip(variables, expected, strict=True):
        assert np.allclose(found.numpy(), wanted, rtol=0, atol=1e-6)


def test_one_rank_goes_on_with_the_sum_of_gradients_that_two_have_left(
    table: str, two_ranks: dict[str, Any], alone: dict[str, Any]
) -> None:
    assert two_ranks["ways"]["kept"][-1] == [1, 4]
    folder = str(two_ranks["folder"] / "cut-ways")
    resumed = loop_of(table, folder, World(0, 1), "gradient-descent")
    resumed.run()
    for ours, theirs in zip(weights(resumed), alone["gradient-descent"]["weights"], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=2e-5)


def test_the_rates_that_follow_the_loss_have_moved(alone: dict[str, Any]) -> None:
    for way in ("adagrad", "momentum"):
        rates = [epoch["learning_rate"] for epoch in alone[way]["history"]]
        assert len(set(rates)) > 1


def test_the_log_loss_stands_beside_a_loss_that_is_another(alone: dict[str, Any]) -> None:
    for way, said in WAYS.items():
        objective = said.get("objective", Objective())
        is_beside = not objective.is_log_loss and objective.target.kind != "number"
        assert [("val_log_loss" in epoch) for epoch in alone[way]["history"]] == [is_beside] * 3


def test_each_kind_of_label_has_its_own_figures(alone: dict[str, Any]) -> None:
    last = {way: alone[way]["history"][-1] for way in ("sgd", "plain-classes", "number")}
    found = {
        way: {name for name in epoch if name.startswith("val_")} for way, epoch in last.items()
    }
    assert found == {
        "sgd": {"val_loss", "val_auc", "val_accuracy"},
        "plain-classes": {"val_loss", "val_accuracy", "val_macro_f1"},
        "number": {"val_loss", "val_mae", "val_rmse", "val_bias", "val_r2"},
    }


def test_a_loss_between_0_and_1_is_below_the_log_loss(alone: dict[str, Any]) -> None:
    squared = alone["gradient-descent"]["history"][-1]
    assert 0 < squared["val_loss"] < squared["val_log_loss"]


def test_tensorboard_shows_the_norms_of_each_layers_gradient(
    alone: dict[str, Any], folder: Path
) -> None:
    log = EventAccumulator(str(folder / "sgd" / "tensorboard"))
    log.Reload()
    layers = ("embed_0", "dense_0", "dense_1", "logit")
    wanted = {f"gradient_norm/{layer}/{kind}" for layer in layers for kind in ("mean", "greatest")}
    tags: Any = log.Tags()["tensors"]
    assert {tag for tag in tags if tag.startswith("gradient_norm/")} == wanted
    assert len(log.Tensors("gradient_norm/dense_0/mean")) == 3
