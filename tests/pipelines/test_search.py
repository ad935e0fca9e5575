"""Searching as a step: its record, its page, and what it refuses before anything is trained."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import parse_params
from pipelines.errors import LockedError, ParameterError, TrainingError
from pipelines.lock import hold_lock
from pipelines.registry import package, store
from pipelines.search import SearchParams, run
from pipelines.step import StepResult
from pipelines.training.command import command_of
from pipelines.training.parameters import TrainParams
from pipelines.tuning.trials import Report

SPACE: dict[str, Any] = {
    "optimizer": ["sgd", "momentum"],
    "momentum": [0.5, 0.9],
    "hidden": [[8], [16, 8]],
}
STATE = {"features": [{"name": "x", "kind": "numeric", "size": 0}], "label": "y"}


class Trainer:
    """Trains nothing, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = list[TrainParams]()

    def __call__(self, params: TrainParams, num_processes: int, report: Report) -> StepResult:
        self.asked.append(params)
        assert num_processes == 1
        value = params.momentum + len(params.hidden)
        history = [{"epoch": 1, "val_loss": value, "val_auc": 1 - value / 10}]
        path = Path(params.root) / "history.json"
        path.write_text(json.dumps({"history": history}))
        validation = {"loss": value, "auc": 1 - value / 10}
        files = {"history": str(path)}
        return StepResult("train", "toy", "0", files=files, details={"validation": validation})


@pytest.fixture
def params(tmp_path: Path) -> SearchParams:
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    return SearchParams(
        "toy", "toy@v0", str(tmp_path / "state.json"), str(tmp_path / "space.json"), str(tmp_path),
        trials=9, sampler="grid", pruner="none", np=1,
    )  # fmt: skip


def test_the_best_is_a_command_that_train_takes(params: SearchParams) -> None:
    trainer = Trainer()
    result = run(params, {"epochs": 3}, trainer)
    assert len(trainer.asked) == 6
    assert result.details["counts"] == {"complete": 6, "pruned": 0, "fail": 0}
    best = result.details["best"]
    assert best["value"] == 1.5
    assert best["parameters"] == {
        "epochs": 3, "optimizer": "momentum", "momentum": 0.5, "hidden": (8,),
    }  # fmt: skip
    words = shlex.split(result.details["command"])
    assert words[:4] == ["python", "jobs/train.py", "--np", "1"]
    expected = TrainParams(
        "toy", "toy@v0", params.state, params.root, epochs=3, optimizer="momentum", momentum=0.5,
        hidden=(8,),
    )  # fmt: skip
    assert parse_params(TrainParams, words[4:]) == expected
    assert command_of(expected, 1) == result.details["command"]
    page = Path(result.files["report"]).read_text()
    assert "--momentum 0.5" in page
    assert page.count('<span class="badge good">ended</span>') == 6


def test_a_repeated_search_trains_nothing_and_more_trials_go_on(params: SearchParams) -> None:
    trainer = Trainer()
    first = run(replace(params, trials=2), {}, trainer)
    again = run(replace(params, trials=2), {}, trainer)
    assert again.is_reused
    assert again.details["best"]["trial"] == first.details["best"]["trial"]
    assert len(trainer.asked) == 2
    more = run(replace(params, trials=5), {}, trainer)
    assert len(trainer.asked) == 5
    assert sum(more.details["counts"].values()) == 5


def test_another_figure_can_be_searched_by(params: SearchParams) -> None:
    result = run(replace(params, metric="auc"), {}, Trainer())
    assert result.details["best"]["value"] == pytest.approx(0.85)


def _register(root: Path, number: int) -> str:
    """Register another version of a model, crown it, and give its file."""
    made = root / f"made_{number}"
    files = {package.MODEL: made.with_suffix(".keras"), package.STATE: root / "state.json"}
    files[package.MODEL].write_bytes(b"%d" % number)
    digest = package.build_package(made / store.PACKAGE, package.Contents(files, {}))
    registry = store.open_registry("", root / "registry")
    logged = store.Logged({}, {}, {package.DIGEST_TAG: digest})
    version = store.add_version(registry, "pre", f"t{number}", made / store.PACKAGE, logged)
    store.crown(registry, version)
    return str(version.folder / package.MODEL)


def test_all_trials_start_from_one_registered_model(params: SearchParams) -> None:
    root, trainer = Path(params.root), Trainer()
    files = [_register(root, 1)]

    def crown_another(asked: TrainParams, num_processes: int, report: Report) -> StepResult:
        if not trainer.asked:
            files.append(_register(root, 2))
        return trainer(asked, num_processes, report)

    result = run(replace(params, trials=2), {"start_from": "pre@champion"}, crown_another)
    assert [asked.start_from for asked in trainer.asked] == [files[0]] * 2
    assert f"--start-from {files[0]}" in result.details["command"]
    # the champion is another one now, the first has its number still
    space = {"start_from": ["pre@champion", "pre@1", ""]}
    Path(params.space).write_text(json.dumps(space))
    run(params, {}, trainer)
    assert {asked.start_from for asked in trainer.asked[2:]} == {*files, ""}
    with pytest.raises(ParameterError, match=r"--start-from: expected champion or a ver.*got '7'"):
        run(params, {"start_from": "pre@7"}, trainer)


def test_a_number_is_searched_by_its_error(params: SearchParams) -> None:
    target = {"kind": "number", "mean": 0.0, "deviation": 1.0}
    Path(params.state).write_text(json.dumps({**STATE, "target": target}))
    with pytest.raises(TrainingError, match="expected the figure rmse of a validation"):
        run(params, {}, Trainer())


def test_no_trial_that_ends_well_is_an_error_with_a_reason(params: SearchParams) -> None:
    def fail(*_: Any) -> StepResult:
        raise TrainingError("the loss is nan")

    with pytest.raises(TrainingError, match="none of 2 trials has ended well: the loss is nan"):
        run(replace(params, trials=2), {}, fail)
    assert not list(Path(params.root).glob("toy/steps/*"))


def test_a_figure_that_the_label_does_not_have_is_said(params: SearchParams) -> None:
    with pytest.raises(TrainingError, match="expected the figure rmse of a validation; it has auc"):
        run(replace(params, metric="rmse"), {}, Trainer())


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    ({"learning_rat": [1]}, {}, r"--space: expected parameters of train among .*activation, "),
    ({"features": ["a@v1"]}, {}, r"--space: expected parameters of train among .*'features'"),
    ({"epochs": [3]}, {"epochs": 3}, r"expected \['epochs'\] as flags or in --space; got both"),
    ({"epochs": [3]}, {"dropout": 2.0}, "expected --dropout in"),
    ({"dropout": {"low": 0, "high": 0.5}}, {}, "--sampler grid: dropout: expected a list"),
]


@pytest.mark.parametrize(("space", "base", "message"), WRONG)
def test_a_wrong_space_is_said_before_anything_is_trained_or_written(
    params: SearchParams, space: Any, base: dict[str, Any], message: str
) -> None:
    Path(params.space).write_text(json.dumps(space))
    with pytest.raises(ParameterError, match=message):
        run(params, base, Trainer())
    assert not (Path(params.root) / "toy").exists()


FLAGS: list[tuple[dict[str, Any], str]] = [
    ({"sampler": "genetic"}, "expected --sampler to be one of tpe, random, grid; got genetic"),
    ({"pruner": "mean"}, "expected --pruner to be one of median, none; got mean"),
    ({"metric": "gini"}, "expected a figure among log_loss, loss, auc"),
    ({"trials": 0}, "expected --trials from 1"),
    ({"np": 3, "trial_np": 2}, "expected --np to be a multiple of --trial-np 2; got 3"),
    ({"np": 1, "trial_np": 2}, "expected --trial-np from 1 to 1; got 2"),
]


@pytest.mark.parametrize(("changes", "message"), FLAGS)
def test_a_wrong_flag_is_said(params: SearchParams, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        replace(params, **changes)


def test_a_password_in_the_address_is_refused(params: SearchParams) -> None:
    there = replace(params, registry="postgresql://me:secret@db.example.org/models")
    with pytest.raises(ParameterError, match="expected an address without a password") as error:
        run(there, {}, Trainer())
    assert "secret" not in str(error.value)


def test_two_processes_do_not_work_on_one_search(
    params: SearchParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.search._WAIT_S", 0.1)
    run(replace(params, trials=1), {}, Trainer())
    lock = next(Path(params.root).glob("toy/searches/.*.lock"))
    with hold_lock(lock, "the test"), pytest.raises(LockedError, match="the search "):
        run(replace(params, trials=2), {}, Trainer())
