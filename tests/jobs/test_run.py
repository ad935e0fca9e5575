"""The command ``gristmill run``: flags of the training go to its step, and wrong ones stop it."""

from pathlib import Path
from typing import Any

import pytest

from jobs.run import parse_arguments, run
from jobs.steps import STEPS, Journey, _arguments
from pipelines.errors import ParameterError
from pipelines.step import StepResult
from schemas.catalog import dataset

GIVEN = {"optimizer": "nesterov", "learning_rate": 0.1, "hidden": (64, 32), "batch_norm": True}
FLAGS = ["--optimizer", "nesterov", "--learning-rate", "0.1", "--hidden", "64", "32"]


def test_flags_of_the_training_are_those_that_were_given() -> None:
    params = parse_arguments(["run", "flights", *FLAGS, "--batch-norm", "--np", "4"])
    assert params.training == GIVEN
    assert params.num_processes == 4
    assert parse_arguments(["run", "flights"]).training == {}


@pytest.mark.parametrize(
    "flags",
    [["--learning-rat", "1"], ["--learning-rate", "fast"], ["--features", "a@v0"], ["--epochs"]],
)
def test_an_unknown_or_malformed_flag_is_an_error(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["run", "flights", *flags])
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_what_does_not_fit_together_is_said_before_anything_is_done(tmp_path: Path) -> None:
    flags = ["--root", str(tmp_path / "lake"), "--optimizer", "adam", "--momentum", "0.5"]
    with pytest.raises(ParameterError, match="--momentum counts only with --optimizer momentum or"):
        run(parse_arguments(["run", "flights", *flags]))
    assert not (tmp_path / "lake").exists()


def test_what_is_to_be_explained_goes_to_its_step() -> None:
    params = parse_arguments(["run", "flights", "--explain", "shap", "lime", "--epochs", "2"])
    assert params.explain == ("shap", "lime")
    nothing: Any = None
    journey = Journey(dataset("flights"), "lake", 1, (), "", nothing, explain=params.explain)
    files: dict[str, str] = dict.fromkeys(("state", "model", "metrics"), "file")
    tables = ("lake/flights/features/flights@v0",)
    journey.results = {
        name: StepResult(name, "flights", "0", tables, files=files)
        for name in ("engineer_features", "train", "evaluate")
    }
    (step,) = [step for step in STEPS if step.name == "explain"]
    found = _arguments(step, journey)
    assert (found["methods"], found["metrics"]) == (("shap", "lime"), "file")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("magic", "--explain: expected some of"),
        ("gradients", "--explain gradients: expected texts or images"),
    ],
)
def test_a_method_that_does_not_fit_is_said_before_anything_is_done(
    tmp_path: Path, method: str, message: str
) -> None:
    flags = ["--root", str(tmp_path / "lake"), "--explain", method]
    with pytest.raises(ParameterError, match=message):
        run(parse_arguments(["run", "flights", *flags]))
    assert not (tmp_path / "lake").exists()


def test_they_go_to_the_training_and_to_no_other_step() -> None:
    nothing: Any = None
    journey = Journey(dataset("flights"), "lake", 1, (), "", nothing, training=GIVEN)
    tables = tuple(f"lake/flights/features/{source.name}@v0" for source in journey.spec.sources)
    files: dict[str, str] = dict.fromkeys(("state", "model", "metrics", "explanation"), "file")
    journey.results = {
        step.name: StepResult(step.name, "flights", "0", tables, files=files) for step in STEPS
    }
    for step in STEPS:
        found = _arguments(step, journey)
        if step.name == "train":
            assert {name: found[name] for name in GIVEN} == GIVEN
        else:
            assert not GIVEN.keys() & found.keys()
