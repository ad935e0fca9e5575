from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines import explain
from pipelines.errors import ParameterError, TrainingError
from pipelines.explain import ExplainParams
from pipelines.state import file_digest, read_features, read_json, write_json
from pipelines.training.models import build_model_of, save_model
from pipelines.training.parameters import TrainParams
from schemas.contract import Label
from tests.pipelines import tiny, tiny_labels


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExplainParams:
    monkeypatch.setattr(explain, "dataset", lambda _: tiny.SPEC)
    features = tiny.write_features(tmp_path / "features")
    state = tiny.write_state(tmp_path / "state.json")
    model = tiny.save_model(tmp_path / "model.keras")
    return ExplainParams(
        "tiny", str(tmp_path / "lake"), features, state, model, shap_rows=20, background=8
    )


def _save_linear(path: Path, made: tiny_labels.Tiny) -> str:
    """A network that says what follows from x alone."""
    features = read_features(Path(made.state))
    network: Any = build_model_of(TrainParams("d", "f@v0", "s", hidden=(), dropout=0.0), features)
    kernel, bias = network.layers[-1 if made.target.num_classes else -2].get_weights()
    # y first, then x
    kernel[:], bias[:] = 0, 0
    if made.target.num_classes:
        kernel[1], bias[1] = [-4, 0, 4], 2
    else:
        kernel[1], bias[0] = 10 / 12, -5 / 12
    network.layers[-1 if made.target.num_classes else -2].set_weights([kernel, bias])
    save_model(network, path)
    return str(path)


def _told(params: ExplainParams) -> dict[str, Any]:
    return read_json(Path(explain.run(params).files["explanation"]))


def test_each_method_finds_the_column_that_the_network_goes_by(params: ExplainParams) -> None:
    told = _told(replace(params, methods=("permutation", "shap", "lime")))
    assert (told["rows"], told["split_rows"]) == (200, 200)
    # x counts 2, y 0.1, the shop 0.3
    for method in ("permutation", "shap"):
        assert told[method]["columns"][0]["name"] == "x_num"
    worth = {item["name"]: item["mean"] for item in told["permutation"]["columns"]}
    assert worth["x_num"] > 0.2
    assert abs(worth["y_num"]) < 0.05
    assert told["shap"]["miss"] < 1e-12
    assert told["shap"]["columns"][0]["rises"] > 0.99
    surest = told["single"][0]
    assert surest["why"] == "surest of 1, and right"
    assert surest["columns"][0]["name"] == "x_num"
    assert surest["columns"][0]["lime"] > 0.1
    whole = surest["base"] + sum(item["shap"] for item in surest["columns"])
    assert surest["said"] == f"1, probability {whole:.3f}"
    # the validation split holds the orders 600 to 799
    assert 600 <= int(surest["key"]["order_id"]) < 800


def test_a_network_that_learned_nothing_singles_nothing_out(
    params: ExplainParams, tmp_path: Path
) -> None:
    flat = tiny.save_model(tmp_path / "flat.keras", scale=0.0)
    told = _told(replace(params, model=flat, methods=("permutation", "shap", "lime")))
    assert told["permutation"]["base"] == 0.5
    assert {item["mean"] for item in told["permutation"]["columns"]} == {0}
    assert {item["mean_size"] for item in told["shap"]["columns"]} == {0}


def test_what_is_done_by_default_is_done_once(params: ExplainParams) -> None:
    first = explain.run(params)
    assert first.details["methods"] == ["permutation"]
    assert next(iter(first.details["permutation"])) == "x_num"
    assert explain.run(params).is_reused
    assert not explain.run(replace(params, seed=2)).is_reused
    Path(first.files["explanation"]).unlink()
    assert not explain.run(params).is_reused


def test_few_rows_are_no_reason_to_stop_a_run(params: ExplainParams) -> None:
    told = _told(replace(params, max_rows=30))
    assert (told["methods"], told["rows"]) == ([], 30)
    assert "no permutation importance: expected at least 40 rows; got 30" in told["left_out"]


def test_nothing_is_done_where_nothing_is_asked_for(params: ExplainParams) -> None:
    told = _told(replace(params, methods=("none",)))
    assert told["methods"] == ["none"]
    assert "permutation" not in told


@pytest.mark.parametrize("label", [tiny_labels.SIZES, tiny_labels.PRICE])
def test_classes_and_numbers_are_explained_by_their_own_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: Label
) -> None:
    made = tiny_labels.make(tmp_path, label)
    monkeypatch.setattr(explain, "dataset", lambda _: made.spec)
    model = _save_linear(tmp_path / "model.keras", made)
    told = _told(ExplainParams(
        "tiny", str(tmp_path / "lake"), made.features, made.state, model,
        methods=("permutation", "shap", "lime"), shap_rows=10, background=8, neighbours=200,
    ))  # fmt: skip
    assert told["permutation"]["columns"][0]["name"] == "x"
    assert told["permutation"]["columns"][0]["low"] > 0
    assert told["shap"]["columns"][0]["name"] == "x"
    expected = "macro F1" if label.classes else "RMSE"
    assert told["permutation"]["figure"]["words"] == expected
    assert len(told["single"]) == 3


def test_the_threshold_is_that_of_evaluate_for_this_very_model(
    params: ExplainParams, tmp_path: Path
) -> None:
    figures = {
        "features": params.features,
        "model_sha256": file_digest(Path(params.model)),
        "state_sha256": file_digest(Path(params.state)),
        "models": {"network": {"threshold": 0.25}},
    }
    write_json(tmp_path / "metrics.json", figures)
    asked = replace(params, metrics=str(tmp_path / "metrics.json"), methods=("lime",))
    assert _told(asked)["single"][-1]["why"] == "nearest the threshold 0.250"
    write_json(tmp_path / "metrics.json", figures | {"model_sha256": "other"})
    with pytest.raises(ParameterError, match=r"figures with model_sha256 .* has other. Run evalu"):
        explain.run(asked)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"methods": ("magic",)},
            r"--methods: expected some of \['permutation', .*got \['magic'\]",
        ),
        ({"methods": ("none", "shap")}, "--methods: none goes with no other"),
        (
            {"methods": ("gradients",)},
            "gradients: expected texts or images among the features; tiny has",
        ),
        ({"split": "exam"}, "--split: expected one of .* got 'exam'"),
        ({"repeats": 0}, "--repeats: expected 1 or more; got 0"),
        ({"background": 1}, "--background: expected 2 or more; got 1"),
        ({"model": "/none"}, "--model: expected a file; found none at '/none'"),
        ({"methods": ("permutation",), "max_rows": 30}, "at least 40 rows; got 30. Raise --max"),
    ],
)
def test_what_can_not_be_done_is_said_and_nothing_is_written(
    params: ExplainParams, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        explain.run(replace(params, **changes))
    assert not list(Path(params.root).rglob("*.json"))


def test_a_sample_of_one_class_is_refused_if_something_was_asked_for(
    params: ExplainParams, tmp_path: Path
) -> None:
    features = tiny.write_features(tmp_path / "broken", {"validation": (1,)})
    asked = replace(params, features=features, methods=("shap",))
    with pytest.raises(TrainingError, match=r"more than one value; got \d+ of \d+, all with is_"):
        explain.run(asked)
    told = _told(replace(asked, methods=()))
    assert told["methods"] == []
    assert "expected at least 5 rows of two classes; got" in told["left_out"]
    empty = tiny.write_features(tmp_path / "empty", {"validation": ()})
    with pytest.raises(TrainingError, match="got 0 of 0, none: nothing can be told apart"):
        explain.run(replace(params, features=empty))


def test_a_network_of_other_features_is_refused(params: ExplainParams, tmp_path: Path) -> None:
    state = read_json(Path(params.state))
    columns = [item for item in state["features"] if item["name"] != "y_num"]
    write_json(tmp_path / "other.json", state | {"features": columns})
    with pytest.raises(ParameterError, match="--model: expected a network of the features that"):
        explain.run(replace(params, state=str(tmp_path / "other.json")))


def test_a_network_of_nan_is_refused(params: ExplainParams, tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "nan.keras", scale=float("nan"))
    with pytest.raises(TrainingError, match="no finite number for 200 of 200 rows"):
        explain.run(replace(params, model=model))
