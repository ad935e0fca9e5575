"""Several trained models as one: its road to the registry, its honest figures, what it refuses."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines import ensemble, evaluate, register
from pipelines.ensemble import EnsembleParams
from pipelines.errors import ParameterError, TrainingError
from pipelines.evaluate import EvaluateParams
from pipelines.evaluation.arrays import read_batches
from pipelines.evaluation.members import cross_fitted_scores
from pipelines.evaluation.metrics import ranking_figures
from pipelines.register import RegisterParams
from pipelines.reporting.ensemble import ensemble_rows
from pipelines.state import file_digest
from pipelines.step import StepResult
from tests.pipelines import tiny


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnsembleParams:
    for module in (ensemble, evaluate, register):
        monkeypatch.setattr(module, "dataset", lambda _: tiny.SPEC)
    features = tiny.write_features(tmp_path / "features")
    made = EnsembleParams(
        "tiny", str(tmp_path / "lake"), features, tiny.write_state(tmp_path / "state.json"), ()
    )
    models = (_trained(made, 1, 1.0), _trained(made, 2, 4.0), _trained(made, 3, -0.1))
    return replace(made, models=models)


def _trained(params: EnsembleParams, seed: int, scale: float) -> str:
    """A model, surer of itself by ``scale``, and the record of the training that made it."""
    path = Path(params.root) / f"tiny/trainings/{seed}/model.keras"
    return _recorded(params, seed, tiny.save_model(path, scale, "linear"))


def _recorded(params: EnsembleParams, seed: int, model: str) -> str:
    base = Path(params.root) / "tiny"
    learned = {"features": params.features, "state": params.state, "seed": seed, "epochs": 3}
    details = {"parameters": learned, "model_sha256": file_digest(Path(model))}
    record = StepResult("train", "tiny", f"t{seed}", files={"model": model}, details=details)
    path = base / f"steps/train-t{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(record)))
    return model


def _evaluated(params: EnsembleParams, model: str) -> StepResult:
    return evaluate.run(
        EvaluateParams("tiny", params.root, params.features, params.state, model, resamples=50)
    )


def test_an_ensemble_goes_the_road_of_any_model(params: EnsembleParams) -> None:
    made = ensemble.run(replace(params, method="stacking"))
    assert ensemble.run(replace(params, method="stacking")).is_reused
    assert [member["differs"] for member in made.details["members"]] == [
        {"seed": 1},
        {"seed": 2},
        {"seed": 3},
    ]
    found = _evaluated(params, made.files["model"])
    models = found.details["models"]
    assert next(iter(models)) == "network"
    assert list(models)[-3:] == ["member_1", "member_2", "member_3"]
    # the second is four times as sure as it may be, the third ranks the wrong way round
    assert models["member_3"]["roc_auc"] < 0.5 < models["member_1"]["roc_auc"]
    assert models["network"]["log_loss"] < models["member_2"]["log_loss"]
    alone = [figures["roc_auc"] for figures in made.details["members_validation"]]
    assert alone[2] < 0.5 < alone[1] == pytest.approx(alone[0])
    rows = ensemble_rows(found.details)
    assert [row.name for row in rows] == ["member 1", "member 2", "member 3", "ensemble"]
    assert rows[1].differs == "seed 2"
    assert rows[3].test == f"{models['network']['roc_auc']:.4f}"
    record = Path(params.root) / f"tiny/steps/ensemble-{made.fingerprint}.json"
    registered = register.run(
        RegisterParams(
            "tiny",
            params.root,
            params.features,
            params.state,
            made.files["model"],
            found.files["metrics"],
            training=str(record),
        )
    )
    assert registered.details["is_champion"]
    assert registered.details["training"] == made.fingerprint


def test_its_validation_figures_are_of_fits_on_other_rows(params: EnsembleParams) -> None:
    made = ensemble.run(replace(params, method="stacking"))
    measured = _evaluated(params, made.files["model"]).details
    assert "validation figures are cross-fitted" in measured["ensemble"]["validation_rule"]
    found = measured["validation"]["network"]
    assert found == made.details["validation"]
    assert found["log_loss"] > made.details["fitted"]["log_loss"]
    said = np.load(made.files["validation"])
    label = np.concatenate([batch.label for batch in _validation(params)])
    assert ranking_figures(label, said)["log_loss"] == found["log_loss"]
    drawn = ensemble.run(replace(params, method="stacking", seed=2))
    assert not np.array_equal(np.load(drawn.files["validation"]), said)
    # the average is fitted to nothing: there is but one figure
    even = ensemble.run(params)
    measured = _evaluated(params, even.files["model"]).details
    assert not measured["ensemble"]["validation_rule"]
    found = measured["validation"]["network"]
    assert found["log_loss"] == pytest.approx(even.details["fitted"]["log_loss"], abs=1e-6)


def _validation(params: EnsembleParams) -> Any:
    folder = Path(params.features.partition("@")[0])
    return read_batches([str(folder / "split=validation/part-0.parquet")], tiny.FEATURES)


def test_a_member_that_gives_no_number_for_some_rows_is_refused(params: EnsembleParams) -> None:
    path = Path(params.models[0]).parent.with_name("4") / "model.keras"
    model: Any = keras.saving.load_model(tiny.save_model(path, 1.0, "linear"))
    (embedding,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Embedding))
    embedding.set_weights([np.array([[0, 0], [np.nan, 0], [0, 0]])])
    model.save(path)
    models = (params.models[0], _recorded(params, 4, str(path)))
    with pytest.raises(
        TrainingError, match=r"4/model.keras gives no finite number for some of 200"
    ):
        ensemble.run(replace(params, models=models))


def test_altered_scores_of_the_validation_rows_are_refused(params: EnsembleParams) -> None:
    made = ensemble.run(params)
    for rows in (199, 201):
        with pytest.raises(ParameterError, match=f"scores of {rows} validation rows; got 200"):
            cross_fitted_scores(made, rows)
    Path(made.files["validation"]).write_bytes(b"0.99")
    with pytest.raises(ParameterError, match="expected what the ensemble said of the validation"):
        _evaluated(params, made.files["model"])


def _other_state(params: EnsembleParams) -> EnsembleParams:
    other = Path(params.state).with_name("other.json")
    other.write_text(json.dumps(tiny.STATE | {"vocabulary": ["b", "a"]}))
    return replace(params, state=str(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, models=p.models[:1]), "expected two models or more; got 1"),
        (lambda p: replace(p, models=(*p.models, p.models[0])), "is the same as .*1/model.keras"),
        (lambda p: replace(p, features="lake/other@v1"), "trained on lake/other@v1; .* learned fr"),
        (_other_state, "other.json; .* was trained with .*state.json, which holds another one"),
        (lambda p: replace(p, root=f"{p.root}-2"), "made under .*-2, so that their records say"),
        (lambda p: replace(p, method="median"), "one of average, weighted, stacking; got median"),
        (
            lambda p: replace(p, models=(p.models[0], "/none")),
            "--models: expected a file; .*'/none",
        ),
        (lambda p: replace(p, state="/none"), "--state: expected a file; found none at '/none'"),
    ],
)
def test_models_that_do_not_belong_together_are_refused(
    params: EnsembleParams,
    change: Callable[[EnsembleParams], EnsembleParams],
    message: str,
) -> None:
    with pytest.raises(ParameterError, match=message):
        ensemble.run(change(params))
    assert not (Path(params.root) / "tiny" / "ensembles").exists()


def test_a_member_that_was_changed_since_it_was_trained_is_refused(params: EnsembleParams) -> None:
    tiny.save_model(Path(params.models[1]), 9.0, "linear")
    with pytest.raises(ParameterError, match="The file was changed since"):
        ensemble.run(params)
