"""Cross-validating: what is summed up, what is left, and where a killed one goes on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pipelines.cross_validate
from pipelines.cross_validate import CrossValidateParams, Fold, run, summarize
from pipelines.errors import ParameterError, StateError
from pipelines.step import Fates, StepResult
from tests.pipelines.tiny import SPEC

AUC = {1: 0.6, 2: 0.8, 3: 0.7}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.cross_validate, "dataset", lambda _: SPEC)


class Steps:
    """Makes no fold, and counts how often it is asked for each."""

    def __init__(self, fails_in: int = 0) -> None:
        self.asked, self.fails_in = list[int](), fails_in

    def __call__(self, fold: Fold) -> dict[str, StepResult]:
        self.asked.append(fold.number)
        base = Path(fold.root) / "tiny"
        for name in ("split", "imputed", "features", "trainings", "states"):
            (base / name).mkdir(parents=True, exist_ok=True)
        if fold.number == self.fails_in:
            raise KeyboardInterrupt
        fates = Fates(100, 80, filtered={"test_split": 20})
        sizes = {"train": 50, "validation": 10, "test": 20}
        models = {
            "network": {"roc_auc": AUC[fold.number], "log_loss": 0.5, "threshold": 1},
            "majority_class": {"log_loss": 0.7},
        }
        return {
            "split": StepResult(
                "fold", "tiny", "0", rows={"orders": fates}, details={"splits": sizes}
            ),
            "train": StepResult(
                "train", "tiny", "0", files={"model": "m"}, details={"epochs": 4, "best_epoch": 2}
            ),
            "evaluate": StepResult(
                "evaluate", "tiny", "0", files={"metrics": "x"}, details={"models": models}
            ),
        }


def _params(root: Path) -> CrossValidateParams:
    return CrossValidateParams("tiny", str(root), ("orders@v0",), folds=3)


def test_mean_and_deviation_of_each_figure_over_the_folds(tmp_path: Path) -> None:
    result = run(_params(tmp_path), {"epochs": 4}, Steps())
    found = result.details["summary"]["network"]["roc_auc"]
    assert found["folds"] == [0.6, 0.8, 0.7]
    assert found["mean"] == pytest.approx(0.7)
    assert found["deviation"] == pytest.approx(0.1)
    assert set(result.details["summary"]) == {"network", "majority_class"}
    page = Path(result.files["report"]).read_text()
    assert "0.7000" in page
    assert "± 0.1000" in page
    assert "20 test split" in page
    assert json.loads(Path(result.files["summary"]).read_text())["training"] == {"epochs": 4}


def test_a_figure_that_one_fold_lacks_has_no_mean() -> None:
    models = [{"models": {"network": {"roc_auc": 0.5, "f1": 0.1}}}]
    models += [{"models": {"network": {"roc_auc": 0.7, "f1": None}}}]
    assert set(summarize(models)["network"]) == {"roc_auc"}


def test_it_goes_on_with_the_fold_it_was_in(tmp_path: Path) -> None:
    killed = Steps(fails_in=2)
    with pytest.raises(KeyboardInterrupt):
        run(_params(tmp_path), {}, killed)
    steps = Steps()
    result = run(_params(tmp_path), {}, steps)
    assert (killed.asked, steps.asked) == ([1, 2], [2, 3])
    assert run(_params(tmp_path), {}, steps).is_reused
    assert steps.asked == [2, 3]
    # other parameters of the training are another cross-validation
    run(_params(tmp_path), {"epochs": 9}, steps)
    assert steps.asked == [2, 3, 1, 2, 3]
    assert result.details["folds"] == 3


def test_a_measured_fold_keeps_its_model_and_no_copy_of_the_rows(tmp_path: Path) -> None:
    run(_params(tmp_path), {}, Steps())
    left = sorted(path.name for path in tmp_path.glob("tiny/folds/*/fold-1/tiny/*"))
    assert left == ["states", "trainings"]


def test_a_damaged_fold_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(_params(tmp_path), {}, Steps(fails_in=2))
    path = next(tmp_path.glob("tiny/folds/*/fold-1.json"))
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StateError, match=r"fold-1\.json"):
        run(_params(tmp_path), {}, Steps())


def test_figures_that_no_fold_shares_are_an_error(tmp_path: Path) -> None:
    def measure(fold: Fold) -> dict[str, StepResult]:
        made = Steps()(fold)
        return {**made, "evaluate": replace(made["evaluate"], details={"models": {"a": {}}})}

    with pytest.raises(ParameterError, match="expected figures of the folds"):
        run(_params(tmp_path), {}, measure)


def test_flags_of_folds_are_refused_before_anything_is_done() -> None:
    from pipelines.fold import FoldParams  # noqa: PLC0415  beside what it is held against

    wrong: list[tuple[dict[str, Any], str]] = [
        ({"folds": 1}, "expected --folds from 2 to 100; got 1"),
        ({"number": 6}, "expected --number from 1 to 5; got 6"),
        ({"by": "luck"}, "expected --by to be one of key, label, group, time; got luck"),
        ({"gap_seconds": 5.0}, "--gap-seconds counts only with --by time"),
        ({"columns": ("a",)}, "--columns counts only with --by group or time; got --by key"),
        ({"validation_share": 1.0}, "expected --validation-share between 0 and 1"),
    ]
    good = FoldParams("tiny", "lake", ("a@v0",), 1)
    for changes, message in wrong:
        with pytest.raises(ParameterError, match=message):
            replace(good, **changes)
