"""Trials side by side: each ends in one way, and none is done twice."""

import json
import statistics
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ParameterError, RankLostError, StoppedError, TrainingError
from pipelines.step import StepResult
from pipelines.tuning.space import Choice
from pipelines.tuning.study import Plan, Study
from pipelines.tuning.trials import Report, Trials

EPOCHS = 4


class Trainer:
    """Trains nothing: the loss of an epoch is that of the parameter ``rate``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.at_once, self.most = folder, list[float](), 0, 0
        self.lost, self.is_looked_at, self._lock = set[float](), True, threading.Lock()

    def __call__(self, chosen: dict[str, Any], report: Report) -> StepResult:
        rate = chosen["rate"]
        with self._lock:
            self.asked.append(rate)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            return self._train(rate, report)
        finally:
            with self._lock:
                self.at_once -= 1

    def _train(self, rate: float, report: Report) -> StepResult:
        if rate in self.lost:
            self.lost.remove(rate)
            raise RankLostError("rank 0 of 1 was ended by SIGKILL\nits last words")
        if rate > 100:
            raise TrainingError("epoch 1 step 3: the loss is nan")
        if rate < 0:
            raise ParameterError("expected --learning-rate above 0")
        history = [{"epoch": number, "val_loss": rate} for number in range(1, EPOCHS + 1)]
        for number in range(EPOCHS + 1):
            if self.is_looked_at and report(history[:number]):
                raise StoppedError
        path = self.folder / f"{rate}.json"
        path.write_text(json.dumps({"history": history}))
        details = {"validation": {"loss": rate}}
        return StepResult("train", "toy", f"{rate}", files={"history": str(path)}, details=details)


def _figure(figures: Mapping[str, float], /, *, prefix: str = "") -> float:
    return figures[f"{prefix}loss"]


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path)


def _study(folder: Path, rates: Sequence[float], startup: int = 9) -> Study:
    plan = Plan({"rate": Choice(tuple(rates))}, {}, {}, "grid", startup=startup)
    return Study(f"sqlite:///{folder}/trials.db", {}, "toy", plan)


def _ends(study: Study) -> dict[float, str]:
    return {study.parameters_of(trial)["rate"]: trial.state.name for trial in study.trials}


def test_two_trials_run_at_once_each_once_and_again_none(tmp_path: Path, trainer: Trainer) -> None:
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    study = _study(tmp_path, rates)
    gate = threading.Barrier(2, timeout=30)
    whole = trainer._train

    def train(rate: float, report: Report) -> StepResult:
        gate.wait()  # passes only if two are at work
        return whole(rate, report)

    trainer._train = train
    Trials(study, trainer, _figure).run(6, 2)
    assert sorted(trainer.asked) == rates
    assert trainer.most == 2
    assert set(_ends(study).values()) == {"COMPLETE"}
    Trials(_study(tmp_path, rates), trainer, _figure).run(6, 2)
    assert len(trainer.asked) == 6


@pytest.mark.parametrize("is_looked_at", [True, False])
def test_a_bad_trial_is_given_up_at_the_same_epoch_however_often_it_is_looked_at(
    tmp_path: Path, trainer: Trainer, is_looked_at: Any
) -> None:
    trainer.is_looked_at = is_looked_at
    study = _study(tmp_path, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], startup=2)
    Trials(study, trainer, _figure).run(8, 1)
    done: list[float] = []
    given_up: list[float] = []
    for trial in study.trials:
        rate = study.parameters_of(trial)["rate"]
        is_bad = len(done) >= 2 and rate > statistics.median(done)
        (given_up if is_bad else done).append(rate)
        assert len(trial.intermediate_values) == (1 if is_bad else EPOCHS)
    assert _ends(study) == dict.fromkeys(done, "COMPLETE") | dict.fromkeys(given_up, "PRUNED")
    assert len(given_up) > 1


def test_each_failure_has_its_end(
    tmp_path: Path, trainer: Trainer, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.lost = {0.2}
    study = _study(tmp_path, [0.1, 0.2, 999.0, -1.0])
    Trials(study, trainer, _figure).run(4, 1)
    # killed once, then tried again; the others' errors are their own
    assert sorted(trainer.asked) == [-1.0, 0.1, 0.2, 0.2, 999.0]
    assert _ends(study) == {0.1: "COMPLETE", 0.2: "COMPLETE", 999.0: "FAIL", -1.0: "FAIL"}
    said = capsys.readouterr().err
    assert "failed, it is tried again: rank 0 of 1 was ended by SIGKILL\n" in said
    assert "failed: epoch 1 step 3: the loss is nan" in said


def test_an_error_of_our_own_ends_the_search_and_the_other_trials(
    tmp_path: Path, trainer: Trainer
) -> None:
    study = _study(tmp_path, [0.1, 0.2])
    is_running = threading.Event()

    def train(chosen: dict[str, Any], report: Report) -> StepResult:
        if chosen["rate"] == 0.1:
            is_running.wait(30)
            raise OSError("the disk is full")
        is_running.set()
        while not report([]):
            pass
        raise StoppedError

    with pytest.raises(OSError, match="the disk is full"):
        Trials(study, train, _figure).run(2, 2)
    assert set(_ends(study).values()) == {"RUNNING"}
    Trials(study, trainer, _figure).run(2, 1)
    assert sorted(trainer.asked) == [0.1, 0.2]
