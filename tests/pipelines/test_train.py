"""Training as a step: from a pinned table to a model, killed and resumed, and its bad inputs."""

import json
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest

from pipelines.cli import to_flags
from pipelines.errors import ParameterError, RankLostError, TableError, TrainingError
from pipelines.step import StepResult
from pipelines.train import TrainParams, launch_training, run, trained
from pipelines.training import distributed, heartbeat, launcher
from pipelines.world import World
from tests.pipelines.loading.tables import rows, write_table

ROOT = Path(__file__).parents[2]
STATE = {
    "dataset": "toy",
    "fingerprint": "0" * 16,
    "features": [
        {"name": "x1", "kind": "numeric", "size": 0},
        {"name": "c0", "kind": "categorical", "size": 5},
    ],
    "label": "label",
}


def make_params(folder: Path, **changes: Any) -> TrainParams:
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state.json"
    state.write_text(json.dumps(STATE))
    params = TrainParams(
        dataset="toy",
        features=f"{folder / 'features'}@v0",
        state=str(state),
        root=str(folder / "lake"),
        epochs=30,
        global_batch_size=48,
        patience=0,
        hidden=(8,),
    )
    return replace(params, **changes)


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> TrainParams:
    folder = tmp_path_factory.mktemp("toy")
    train = [rows(500, seed=1), rows(500, seed=2), rows(231, seed=3)]
    write_table(folder / "features", {"train": train, "validation": [rows(300, seed=4)]})
    return make_params(folder)


@pytest.fixture(scope="module")
def result(params: TrainParams) -> StepResult:
    return launch_training(params, 2)


def _weights(result: StepResult) -> list[Any]:
    model: Any = keras.saving.load_model(result.files["model"])
    return [variable.numpy() for variable in model.variables]


def test_a_training_says_what_it_did(result: StepResult) -> None:
    details = result.details
    assert (result.step, result.is_reused, details["ranks"]) == ("train", False, 2)
    assert (details["rows_per_epoch"], details["epochs"], details["steps_per_epoch"]) == (
        1231,
        30,
        26,
    )
    assert 1 <= details["best_epoch"] <= 30
    assert details["validation"]["auc"] > 0.75
    history = json.loads(Path(result.files["history"]).read_text())["history"]
    assert [epoch["epoch"] for epoch in history] == list(range(1, 31))
    assert details["validation"]["loss"] == min(epoch["val_loss"] for epoch in history)
    assert list(Path(result.files["tensorboard"]).glob("events.*"))


def test_the_model_loads_with_plain_keras_and_predicts(result: StepResult) -> None:
    with zipfile.ZipFile(result.files["model"]) as saved:
        assert b"pipelines" not in saved.read("config.json")
    model: Any = keras.saving.load_model(result.files["model"])
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    inputs = {"numeric": np.ones((3, 1), "float32"), "categorical": np.ones((3, 1), "int32")}
    assert model(inputs).shape == (3, 1)


def test_tables_are_mixed_filtered_and_fetched(tmp_path: Path) -> None:
    params = make_params(tmp_path, epochs=1)
    far = tmp_path / "features"
    write_table(far, {"train": [rows(600, seed=1)], "validation": [rows(300, seed=4)]})
    write_table(tmp_path / "old", {"train": [rows(200, seed=5, first_id=5_000)]})
    params = replace(
        params,
        features=f"file://{far}@v0",
        cache=str(tmp_path / "cache"),
        where=("x0 >= 120",),
        mix=(f"{tmp_path / 'old'}@v0=0.5",),
    )
    details = launch_training(params, 2).details
    # 480 of 600 rows are left, 24 a step: 20 steps. 200 others take 9: twice, and 2 steps more
    assert (details["steps_per_epoch"], details["rows_per_epoch"]) == (20, 480 + 448)
    assert "480 rows in 1 row groups, 120 left out by x0 >= 120" in details["tables"][0]
    assert details["tables"][1].startswith("200 rows")


def test_a_finished_training_is_not_repeated(
    params: TrainParams, result: StepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "launch", None)
    again = launch_training(params, 4)
    assert again.is_reused
    assert (again.fingerprint, again.details) == (result.fingerprint, result.details)
    assert trained(replace(params, seed=2)) is None
    assert trained(replace(params, root=params.root + "2")) is None


def test_a_training_whose_model_is_gone_counts_as_not_done(
    params: TrainParams, result: StepResult
) -> None:
    model, aside = Path(result.files["model"]), Path(result.files["model"] + ".aside")
    model.rename(aside)
    assert trained(params) is None
    aside.rename(model)
    assert trained(params) is not None


def _command(params: TrainParams, ranks: int = 2) -> list[str]:
    return [sys.executable, str(ROOT / "jobs" / "train.py"), "--np", str(ranks), *to_flags(params)]


def _rank(job: psutil.Process, number: int) -> psutil.Process:
    wanted = str(number)
    return next(p for p in job.children() if p.environ().get("HOROVOD_RANK") == wanted)


@pytest.mark.proves("F25", "F26")
def test_a_training_killed_twice_and_run_again_gives_the_undisturbed_model(
    params: TrainParams, result: StepResult, tmp_path: Path
) -> None:
    params = replace(params, root=str(tmp_path))
    with subprocess.Popen(_command(params), stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr
        next(line for line in job.stderr if "epoch 3/30" in line)
        _rank(psutil.Process(job.pid), 1).kill()
        killed = time.monotonic()
        said = job.stderr.read()
    assert time.monotonic() - killed < 15
    assert job.returncode == 1
    assert "error: rank 1 of 2 was ended by SIGKILL" in said
    assert trained(params) is None

    with subprocess.Popen(_command(params), stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr
        assert next(line for line in job.stderr if "resume after epoch" in line)
        next(line for line in job.stderr if "/30" in line)
        ranks = psutil.Process(job.pid).children()
        job.kill()
    _, alive = psutil.wait_procs(ranks, timeout=10)
    assert not alive
    assert trained(params) is None

    done = subprocess.run(_command(params), capture_output=True, text=True, check=True)
    assert "train: resume after epoch" in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert json.loads(done.stdout)["details"]["weights_digest"] == result.details["weights_digest"]
    resumed = trained(params)
    assert resumed is not None
    for ours, theirs in zip(_weights(resumed), _weights(result), strict=True):
        assert np.array_equal(ours, theirs)


def _survive(command: list[str], lost: int) -> tuple[str, str]:
    """Kill a rank in the third epoch; give stderr from then on, and stdout, of a good end."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr
        assert job.stdout
        next(line for line in job.stderr if "epoch 3/30" in line)
        _rank(psutil.Process(job.pid), lost).kill()
        said, printed = job.stderr.read(), job.stdout.read()
    assert job.returncode == 0
    return said, printed


@pytest.mark.proves("F21")
def test_a_training_that_loses_a_rank_goes_on_by_itself(
    params: TrainParams, result: StepResult, tmp_path: Path
) -> None:
    params = replace(params, root=str(tmp_path))
    command = [*_command(params), "--restarts", "1"]
    said, printed = _survive(command, lost=1)
    assert "train: restart 1 of 1: rank 1 of 2 was ended by SIGKILL" in said
    assert "train: resume after epoch" in said
    assert json.loads(printed)["details"]["weights_digest"] == result.details["weights_digest"]


@pytest.mark.proves("F21")
@pytest.mark.slow
def test_an_elastic_training_whose_root_is_killed_ends_with_the_undisturbed_model(
    params: TrainParams, result: StepResult, tmp_path: Path
) -> None:
    params = replace(params, root=str(tmp_path), checkpoint_steps=5)
    command = [*_command(params), "--elastic-min-np", "1"]
    said, printed = _survive(command, lost=0)
    assert "train: rank 0 of 2 was ended by SIGKILL; going on without it" in said
    details = json.loads(printed)["details"]
    assert (details["ranks"], details["epochs"], details["rows_per_epoch"]) == (1, 30, 1231)
    known = trained(params)
    assert known is not None
    for ours, theirs in zip(_weights(known), _weights(result), strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "minimum", "message"),
    [
        (2, 3, "--elastic-min-np up to --np, 2; got 3"),
        (8, 5, "--elastic-min-np to be one of .*; got 5"),
        (5, 1, "--np to be one of .*; got 5"),
        (2, -1, "--elastic-min-np to be one of .*; got -1"),
    ],
)
def test_an_elastic_training_needs_numbers_of_ranks_that_share_alike(
    params: TrainParams, size: int, minimum: int, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        launch_training(params, size, elastic_min=minimum)


def test_ranks_that_no_launcher_watches_end_themselves_when_they_hang(
    params: TrainParams, tmp_path: Path
) -> None:
    flags = to_flags(replace(params, root=str(tmp_path)))
    # as under horovodrun; and a first look finds that no step was begun for no seconds at all
    alone = ["env", "-u", heartbeat.VARIABLE, sys.executable, str(ROOT / "jobs" / "train.py")]
    with pytest.raises(RankLostError, match="had to stop: expected a step; none was begun for"):
        launcher.launch([*alone, "--hang-seconds", "0", *flags], 2)


def test_only_a_lost_rank_is_a_reason_to_start_again(
    params: TrainParams, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried: list[int] = []

    def fail(*_: Any, **__: Any) -> str:
        tried.append(1)
        raise TrainingError("a loss that is NaN")

    monkeypatch.setattr(launcher, "launch", fail)
    with pytest.raises(TrainingError, match="NaN"):
        launch_training(replace(params, root=str(tmp_path)), 2, restarts=3)
    assert len(tried) == 1


def _refused(folder: Path, splits: dict[str, Any], size: int = 1, **changes: Any) -> None:
    distributed.start()
    params = make_params(folder)
    write_table(folder / "features", splits)
    run(replace(params, **changes), World(0, size))


def _all_late(count: int) -> Any:
    table = rows(count)
    index = table.schema.get_field_index("label")
    return table.set_column(index, "label", [np.ones(count, np.int32)])


def test_one_class_in_the_training_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="labels 0 and 1 in split 'train'; all 50 rows have 1"):
        _refused(tmp_path, {"train": [_all_late(50)], "validation": [rows(50)]})


@pytest.mark.proves("F29")
@pytest.mark.parametrize("missing", ["train", "validation"])
def test_an_empty_split_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    splits = {name: [rows(50)] for name in ("train", "validation", "test") if name != missing}
    with pytest.raises(TableError, match=f"expected rows in split '{missing}'"):
        _refused(tmp_path, splits)


def test_fewer_rows_than_ranks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="got 3 rows for 4 ranks"):
        _refused(tmp_path, {"train": [rows(30)], "validation": [rows(3)]}, size=4)


def test_a_version_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    features = f"{tmp_path / 'features'}@v9"
    with pytest.raises(TableError, match="has versions 0 to 0"):
        _refused(tmp_path, {"train": [rows(30)]}, features=features)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "features"}, "pinned to a version"),
        ({"state": "nowhere.json"}, "features state .*; nowhere.json is not there. Run engineer"),
        ({"global_batch_size": 50}, "multiple of 24"),
        ({"epochs": 0}, "--epochs from 1"),
        ({"dropout": 1.0}, r"--dropout in \[0, 1\)"),
        ({"learning_rate": 0.0}, "--learning-rate > 0"),
        ({"hidden": (0,)}, "--hidden of widths >= 1"),
        ({"where": ("x0 about 3",)}, "expected a filter like"),
        ({"mix": ("lake/old@v1",)}, "--mix: expected a table and its share of a batch"),
        ({"mix": ("lake/old@v1=lots",)}, "--mix: expected a table and its share of a batch"),
        ({"features": "s3://bucket/features@v0"}, "expected --cache FOLDER"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        _refused(tmp_path, {"train": [rows(30)], "validation": [rows(30)]}, **changes)


def test_a_number_of_ranks_that_makes_no_sense_is_refused(params: TrainParams) -> None:
    with pytest.raises(ParameterError, match="--np >= 1; got 0"):
        launch_training(params, 0)


def test_an_unknown_flag_is_an_error(params: TrainParams) -> None:
    done = subprocess.run(
        [*_command(params), "--batch", "3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--batch" in done.stderr


def test_an_error_before_the_first_step_is_one_line(tmp_path: Path, params: TrainParams) -> None:
    wrong = replace(params, features=params.features.replace("@v0", "@v5"), root=str(tmp_path))
    done = subprocess.run(_command(wrong, ranks=1), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")][-1].startswith(
        "error: rank "
    )
    assert "has versions 0 to 0" in done.stderr
    assert "Traceback" not in done.stderr
