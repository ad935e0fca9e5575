"""N ranks equal one rank, and what happens when they do not."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.training import distributed
from pipelines.world import World
from tests.pipelines.training.scenarios import (
    OPTIMIZERS,
    cut_short,
    make_loop,
    moving_averages,
    twenty_steps,
    weights,
)


@pytest.fixture(scope="module")
def one_rank(table: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    assert distributed.start() == World(0, 1)
    loop = make_loop(table, str(tmp_path_factory.mktemp("one")), World(0, 1))
    return loop, loop.run()


def test_two_ranks_end_with_equal_weights(two_ranks: dict[str, Any]) -> None:
    assert two_ranks["size"] == 2
    assert two_ranks["spread"] == 0.0


def test_without_the_all_reduce_the_ranks_drift_apart(two_ranks: dict[str, Any]) -> None:
    assert two_ranks["spread_without_all_reduce"] > 1e-4


def test_ranks_that_drift_are_stopped_and_the_variable_is_named(two_ranks: dict[str, Any]) -> None:
    assert "epoch 1: expected equal weights on all ranks" in two_ranks["divergence"]
    assert "embed_0/embeddings" in two_ranks["divergence"]


@pytest.mark.proves("F23")
def test_two_ranks_equal_one_with_dropout_and_a_ragged_last_step(
    two_ranks: dict[str, Any], one_rank: Any
) -> None:
    for ours, theirs in zip(weights(one_rank[0]), two_ranks["weights"], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-5)
    for ours, theirs in zip(one_rank[1].progress.history, two_ranks["history"], strict=True):
        for name in ("loss", "val_loss", "val_auc", "val_accuracy", "learning_rate"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-5)


@pytest.mark.parametrize("kind", ["ragged", "even"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_ranks_equal_one_after_twenty_steps(
    table: str, even_table: str, two_ranks: dict[str, Any], name: str, kind: str
) -> None:
    distributed.start()
    alone = twenty_steps(table if kind == "ragged" else even_table, name, World(0, 1))
    for ours, theirs in zip(alone, two_ranks["twenty"][f"{name} {kind}"], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-5)


def test_sparse_gradients_give_the_same_model(two_ranks: dict[str, Any]) -> None:
    assert two_ranks["sparse"]["spread"] == 0.0
    for ours, theirs in zip(two_ranks["sparse"]["weights"], two_ranks["weights"], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-5)


def test_half_gradients_give_nearly_the_same_model(two_ranks: dict[str, Any]) -> None:
    assert two_ranks["half"]["spread"] == 0.0
    apart = [
        np.max(np.abs(np.subtract(ours, theirs)))
        for ours, theirs in zip(two_ranks["half"]["weights"], two_ranks["weights"], strict=True)
    ]
    assert 0 < max(apart) < 0.02  # other than float32, so the half was really used


def test_batch_normalisation_of_two_ranks_is_that_of_one(
    table: str, two_ranks: dict[str, Any], tmp_path: Path
) -> None:
    distributed.start()
    loop = make_loop(table, str(tmp_path), World(0, 1), has_batch_norm=True)
    loop.run()
    assert {type(layer).__module__.split(".")[0] for layer in loop.model.layers} == {"keras"}
    for ours, theirs in zip(weights(loop), two_ranks["norm"]["weights"], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=2e-5)
    for ours, theirs in zip(moving_averages(loop), two_ranks["norm"]["moving"], strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-5)


def test_the_network_learns(two_ranks: dict[str, Any]) -> None:
    losses = [epoch["loss"] for epoch in two_ranks["history"]]
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.proves("F27")
def test_a_loss_that_is_nan_stops_all_ranks_before_anything_is_kept(
    two_ranks: dict[str, Any],
) -> None:
    assert "expected a finite" in two_ranks["nan"]
    assert not list(Path(two_ranks["folder"] / "nan").glob("checkpoints/*"))


@pytest.mark.proves("S3")
def test_the_job_listens_and_talks_on_loopback_only(two_ranks: dict[str, Any]) -> None:
    found = {tuple(socket) for socket in two_ranks["sockets"]}
    assert ("launcher", "LISTEN", "127.0.0.1") in found  # the rendezvous
    assert ("rank", "ESTABLISHED", "127.0.0.1") in found  # rank to rank
    assert {address for _, _, address in found} == {"127.0.0.1"}


def test_gradients_are_summed_before_clipping_and_the_class_is_given_back() -> None:
    distributed.start()
    variable = keras.Variable([1.0, 2.0])
    optimizer = keras.optimizers.SGD(1.0, clipvalue=0.5)
    with distributed.summed_gradients(optimizer):
        assert type(optimizer).__name__ == "SummedSGD"
        optimizer.apply([keras.ops.convert_to_tensor([0.25, 9.0])], [variable])
    assert type(optimizer) is keras.optimizers.SGD
    assert variable.numpy().tolist() == [0.75, 1.5]


def test_bytes_survive_the_broadcast() -> None:
    distributed.start()
    assert distributed.broadcast_bytes(b"\x00\xffabc") == b"\x00\xffabc"
    assert distributed.broadcast_bytes(None) == b""


def test_a_run_cut_after_an_epoch_goes_on_to_the_same_bits(table: str, tmp_path: Path) -> None:
    distributed.start()
    undisturbed = make_loop(table, str(tmp_path / "whole"), World(0, 1))
    undisturbed.run()
    cut = make_loop(table, str(tmp_path / "cut"), World(0, 1))
    finish = cut._one_epoch

    def first_epoch_only(progress: Any) -> None:
        if progress.epoch == 1:
            raise KeyboardInterrupt
        finish(progress)

    cut._one_epoch = first_epoch_only
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    resumed = make_loop(table, str(tmp_path / "cut"), World(0, 1))
    outcome = resumed.run()
    assert [epoch["epoch"] for epoch in outcome.progress.history] == [1, 2, 3]
    assert weights(resumed) == weights(undisturbed)


@pytest.mark.proves("F26")
def test_a_run_cut_inside_an_epoch_goes_on_to_the_same_bits(table: str, tmp_path: Path) -> None:
    distributed.start()
    undisturbed = make_loop(table, str(tmp_path / "whole"), World(0, 1))
    expected = undisturbed.run().progress.history
    kept = cut_short(make_loop(table, str(tmp_path / "cut"), World(0, 1), checkpoint_steps=2))
    # seven steps an epoch: after 2, 4, 6 and at its end
    assert kept == [(0, 2), (0, 4), (0, 6), (1, 0), (1, 2), (1, 4)]
    resumed = make_loop(table, str(tmp_path / "cut"), World(0, 1), checkpoint_steps=2)
    history = resumed.run().progress.history
    assert weights(resumed) == weights(undisturbed)
    assert [epoch["loss"] for epoch in history] == [epoch["loss"] for epoch in expected]


def test_one_rank_goes_on_where_two_were_cut(
    table: str, two_ranks: dict[str, Any], one_rank: Any
) -> None:
    assert two_ranks["kept"][-1] == [1, 4]
    resumed = make_loop(table, str(two_ranks["folder"] / "cut"), World(0, 1))
    history = resumed.run().progress.history  # it counts the rows of the epoch that was cut
    for ours, theirs in zip(weights(resumed), weights(one_rank[0]), strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-5)
    for ours, theirs in zip(history, one_rank[1].progress.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)


def test_early_stopping_keeps_the_best_weights(table: str, tmp_path: Path) -> None:
    distributed.start()
    loop = make_loop(table, str(tmp_path), World(0, 1), epochs=30, patience=2, learning_rate=0.3)
    outcome = loop.run().progress
    assert outcome.epoch < 30
    assert outcome.epoch == outcome.best_epoch + 2
    losses = [epoch["val_loss"] for epoch in outcome.history]
    assert loop._validate(0)["loss"] == pytest.approx(min(losses), abs=1e-6)
