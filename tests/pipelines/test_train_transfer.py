"""Trainings that begin with another's weights: from a file and from the registry, frozen, few."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.given_networks import begin_with, resolve_start
from pipelines.registry import package, store
from pipelines.step import StepResult
from pipelines.train import TrainParams, launch_training, run
from pipelines.training import distributed
from pipelines.training.home import training_key
from pipelines.training.layer_graph import named_layers
from pipelines.training.models import build_model_of
from pipelines.world import ONE
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> TrainParams:
    """What the network to start from is trained with."""
    folder = tmp_path_factory.mktemp("transfer")
    return TrainParams(
        "tiny", tiny.write_features(folder / "features"), tiny.write_state(folder / "state.json"),
        str(folder / "lake"), epochs=2, global_batch_size=48, hidden=(4,), dropout=0.0,
        learning_rate=0.02, patience=0, batch_norm=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def source(first: TrainParams) -> StepResult:
    distributed.start()
    return run(first, ONE)


def _weights(made: StepResult) -> dict[str, Any]:
    model: Any = keras.saving.load_model(made.files["model"])
    assert all(layer.trainable for layer in model.layers)
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def _are_same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_frozen_layers_keep_the_weights_they_started_from(
    first: TrainParams, source: StepResult
) -> None:
    params = replace(
        first, start_from=source.files["model"], freeze=("embed*", "dense*", "norm*"), seed=2,
        rows_per_class=20,
    )  # fmt: skip
    made = run(params, ONE)
    before, after = _weights(source), _weights(made)
    # the moving moments of the normalisation too
    assert [name for name in after if _are_same(before[name], after[name])] == [
        "embed_0",
        "dense_0",
        "norm_0",
    ]
    assert made.details["rows_per_epoch"] == 40
    assert "took embed_0, dense_0, norm_0, logit as they are; frozen: embed_0" in str(
        made.details["start"]
    )
    free = _weights(run(replace(params, freeze=()), ONE))
    assert not any(_are_same(before[name], free[name]) for name in free)


def test_the_file_not_its_name_decides(
    first: TrainParams, source: StepResult, tmp_path: Path
) -> None:
    copied = tmp_path / "model.keras"
    copied.write_bytes(Path(source.files["model"]).read_bytes())
    (tmp_path / "features_state.json").write_text(Path(first.state).read_text())
    named = training_key(replace(first, start_from=source.files["model"]))
    assert training_key(replace(first, start_from=str(copied))) == named
    # whose codes meant other things
    other = json.loads(Path(first.state).read_text()) | {
        "encode": {"vocabularies": {"shop": ["b"]}}
    }
    (tmp_path / "features_state.json").write_text(json.dumps(other))
    assert training_key(replace(first, start_from=str(copied))) != named
    with pytest.raises(ParameterError, match="--start-from: expected a model file, NAME@champion"):
        training_key(replace(first, start_from="/none.keras"))


def test_codes_are_read_by_the_state_that_lies_beside_the_network(
    first: TrainParams, source: StepResult, tmp_path: Path
) -> None:
    copied, ours = tmp_path / "model.keras", tmp_path / "ours.json"
    copied.write_bytes(Path(source.files["model"]).read_bytes())
    for path, shops in ((tmp_path / "features_state.json", ["a", "b"]), (ours, ["b", "a"])):
        path.write_text(json.dumps(tiny.STATE | {"encode": {"vocabularies": {"shop": shops}}}))
    params = replace(first, state=str(ours), start_from=str(copied), seed=9)
    model = build_model_of(params, tiny.FEATURES)
    said = begin_with(params, tiny.FEATURES, model)
    assert "embed_0 word by word, 2 of 2 known there" in said["start"]
    rows = named_layers(model)["embed_0"].get_weights()[0]
    assert rows.tolist() == _weights(source)["embed_0"][0][[0, 2, 1]].tolist()


def test_a_registered_model_is_verified_before_it_is_started_from(
    first: TrainParams, source: StepResult, tmp_path: Path
) -> None:
    root = Path(first.root)
    files = {package.MODEL: Path(source.files["model"]), package.STATE: Path(first.state)}
    digest = package.build_package(tmp_path / store.PACKAGE, package.Contents(files, {}))
    registry = store.open_registry("", root / "registry")
    tags = {package.DIGEST_TAG: digest}
    logged = store.Logged({}, {}, tags)
    version = store.add_version(registry, "pre", "t1", tmp_path / store.PACKAGE, logged)
    store.crown(registry, version)
    params = replace(first, start_from="pre@champion", epochs=1)
    found = resolve_start(params)
    assert found.start_from == str(version.folder / package.MODEL)
    assert resolve_start(replace(params, start_from="pre@1")) == found
    assert "took embed_0" in str(run(params, ONE).details["start"])
    with pytest.raises(ParameterError, match=r"--start-from: expected champion or a ver.*got '7'"):
        run(replace(params, start_from="pre@7"), ONE)
    (version.folder / package.STATE).write_text("{}")
    with pytest.raises(ParameterError, match=r"features_state\.json: expected SHA-256"):
        run(replace(params, seed=3), ONE)


def test_flags_that_count_for_nothing_are_refused(first: TrainParams) -> None:
    with pytest.raises(ParameterError, match="--freeze counts only with --start-from"):
        replace(first, freeze=("embed*",))
    with pytest.raises(ParameterError, match="expected --rows-per-class or --mix; got both"):
        replace(first, rows_per_class=5, mix=("old@v1=0.5",))


@pytest.mark.slow
def test_two_ranks_start_from_and_end_at_the_weights_of_one(
    first: TrainParams, source: StepResult
) -> None:
    params = replace(
        first, start_from=source.files["model"], freeze=("embed*", "norm*"), layer_decay=0.5,
        rows_per_class=100, seed=5,
    )  # fmt: skip
    one = _weights(run(params, ONE))
    two = _weights(launch_training(replace(params, root=f"{params.root}-2"), 2))
    for name, weights in one.items():
        for ours, theirs in zip(weights, two[name], strict=True):
            assert ours == pytest.approx(theirs, abs=2e-6), name
