from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import evaluate
from pipelines.errors import ParameterError, TrainingError
from pipelines.evaluate import EvaluateParams
from pipelines.state import read_json
from tests.pipelines import tiny


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluateParams:
    monkeypatch.setattr(evaluate, "dataset", lambda _: tiny.SPEC)
    features = tiny.write_features(tmp_path / "features")
    state = tiny.write_state(tmp_path / "state.json")
    model = tiny.save_model(tmp_path / "model.keras")
    return EvaluateParams("tiny", str(tmp_path / "lake"), features, state, model, resamples=50)


def test_figures_plots_and_verdict_are_written_once(params: EvaluateParams) -> None:
    first = evaluate.run(params)
    models = first.details["models"]
    assert list(models) == [
        "network",
        "majority_class",
        "logistic_regression",
        "gradient_boosted_trees",
    ]
    # the network's weights are those of the label's rule; y and x swapped would give about .5
    assert models["network"]["roc_auc"] > 0.8
    assert models["majority_class"]["roc_auc"] == 0.5
    assert sum(models["network"]["confusion"].values()) == 200
    assert first.details["rows"]["train"] == 600
    assert read_json(Path(first.files["metrics"])) == first.details
    for plot in ("roc", "precision_recall", "calibration", "scores"):
        assert Path(first.files[plot]).read_bytes().startswith(b"\x89PNG")
    assert evaluate.run(params).is_reused


def test_a_lost_plot_is_made_again_with_the_same_figures(params: EvaluateParams) -> None:
    first = evaluate.run(params)
    Path(first.files["roc"]).unlink()
    again = evaluate.run(params)
    assert not again.is_reused
    assert again.details == first.details


def test_the_threshold_comes_from_validation(params: EvaluateParams, tmp_path: Path) -> None:
    # with other rows of validation the threshold moves, the ranking on test does not
    kept = tiny.write_features(tmp_path / "other", shifted="validation")
    first, second = evaluate.run(params), evaluate.run(replace(params, features=kept))
    before, after = first.details["models"]["network"], second.details["models"]["network"]
    assert before["roc_auc"] == after["roc_auc"]
    assert before["threshold"] != after["threshold"]


@pytest.mark.parametrize(
    ("split", "classes", "message"),
    [
        ("test", (1,), r"the test split has \d+ rows with is_late in \[1\]"),
        ("test", (), "the test split is empty"),
        ("train", (0,), r"the train split has \d+ rows with is_late in \[0\]"),
    ],
)
def test_a_split_without_both_classes_stops_with_clear_words(
    params: EvaluateParams, tmp_path: Path, split: str, classes: tuple[int, ...], message: str
) -> None:
    features = tiny.write_features(tmp_path / "broken", {split: classes})
    with pytest.raises(TrainingError, match=message):
        evaluate.run(replace(params, features=features))
    assert not list(Path(params.root).rglob("*.json"))


def test_a_model_of_nan_weights_stops(params: EvaluateParams, tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "nan.keras", scale=float("nan"))
    with pytest.raises(TrainingError, match="network gives no finite number for 200 of 200"):
        evaluate.run(replace(params, model=model))


def test_a_model_that_says_the_same_of_each_row_is_no_better_than_chance(
    params: EvaluateParams, tmp_path: Path
) -> None:
    model = tiny.save_model(tmp_path / "flat.keras", scale=0.0)
    found = evaluate.run(replace(params, model=model)).details
    assert found["models"]["network"]["roc_auc"] == 0.5
    assert "does not pass logistic regression" in found["verdict"]
    assert found["trees_win"]


@pytest.mark.parametrize("flag", ["model", "state"])
def test_a_missing_file_is_named_by_its_flag(params: EvaluateParams, flag: str) -> None:
    with pytest.raises(ParameterError, match=f"--{flag}: expected a file; found none at '/none'"):
        evaluate.run(replace(params, **{flag: "/none"}))
