"""A smaller form of a trained model: what it weighs, what it loses, its road to the registry."""

import json
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines import compress, evaluate, register
from pipelines.compress import CompressParams
from pipelines.errors import CompressionError, ParameterError
from pipelines.evaluate import EvaluateParams
from pipelines.register import RegisterParams
from pipelines.state import file_digest, read_json
from pipelines.step import StepResult
from tests.pipelines import tiny, tiny_labels


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompressParams:
    for module in (compress, evaluate, register):
        monkeypatch.setattr(module, "dataset", lambda _: tiny.SPEC)
    features = tiny.write_features(tmp_path / "features")
    state = tiny.write_state(tmp_path / "state.json")
    model = tiny.save_model(tmp_path / "model.keras")
    return CompressParams("tiny", str(tmp_path / "lake"), features, state, model)


def _record(params: CompressParams) -> str:
    """The record of a training that made the model."""
    details = {"parameters": {"seed": 9}, "model_sha256": file_digest(Path(params.model))}
    made = StepResult("train", "tiny", "t1", files={"model": params.model}, details=details)
    path = Path(params.root) / "tiny" / "steps" / "train-t1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(made)))
    return str(path)


def test_eight_bits_a_weight_and_what_they_cost_are_said(params: CompressParams) -> None:
    found = compress.run(params).details
    # 6 weights of the embedding and 4 of the kernel, with a factor for each row and each unit
    assert found["original"]["weight_bytes"] == 4 * (6 + 4 + 1)
    assert found["compressed"]["weight_bytes"] == (6 + 4) + 4 * (3 + 1 + 1)
    assert found["original"]["kernel_weights"] == found["compressed"]["kernel_weights"] == 10
    assert len(found["quantized_layers"]) == 2
    assert found["figure"]["name"] == "roc_auc"
    for form in ("original", "compressed"):
        assert found[form]["seconds_per_1000_rows"] > 0
        assert found[form]["timed_rows"] == 200
    areas = [found[form]["validation"]["roc_auc"] for form in ("original", "compressed")]
    assert found["lost"] == areas[0] - areas[1]
    assert compress.run(params).is_reused


def test_the_file_that_is_kept_is_plain_keras_of_eight_bits(params: CompressParams) -> None:
    found = compress.run(params)
    path = Path(found.files["model"])
    assert found.details["model_sha256"] == file_digest(path)
    assert found.details["compressed"]["file_bytes"] == path.stat().st_size
    with zipfile.ZipFile(path) as members:
        assert {m.compress_type for m in members.infolist()} == {zipfile.ZIP_DEFLATED}
        assert b"pipelines" not in members.read("config.json")
    small: Any = keras.saving.load_model(path)
    large: Any = keras.saving.load_model(params.model)
    kernel = large.layers[-1].get_weights()[0]
    (eight,) = [v.numpy() for v in small.layers[-1].variables if v.dtype == "int8"]
    assert np.array_equal(eight, np.round(kernel * 127 / np.abs(kernel).max(axis=0)))
    # each of n weights is off by half a step at most
    half = np.abs(kernel).max(axis=0) / 127 / 2
    inputs = {"numeric": np.ones((1, 2), "float32"), "categorical": np.ones((1, 1), "int32")}
    logits = [np.log(p / (1 - p)) for p in (small(inputs).numpy(), large(inputs).numpy())]
    assert 0 < np.abs(logits[0] - logits[1]) < half * 2 * 2


def test_a_form_that_loses_too_much_leaves_nothing(
    params: CompressParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruin(model: Any, _: str) -> tuple[str, ...]:
        model.layers[-1].kernel.assign(-model.layers[-1].kernel)
        return ("dense",)

    monkeypatch.setattr(compress, "quantize", ruin)
    message = r"int8 to lose at most 0\.005 of the validation ROC AUC 0\.\d+; it has 0\.\d+ and"
    with pytest.raises(CompressionError, match=message):
        compress.run(params)
    assert not [path for path in Path(params.root).rglob("*") if path.is_file()]


def test_an_error_in_a_unit_is_lost_as_a_share_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny_labels.make(tmp_path, tiny_labels.PRICE)
    monkeypatch.setattr(compress, "dataset", lambda _: made.spec)
    numeric = keras.Input((2,), name="numeric", dtype="float32")
    number: Any = keras.layers.Dense(1, name="number")(numeric)
    model = keras.Model({"numeric": numeric}, number)
    model.layers[-1].set_weights([np.array([[0.04], [10.0]]), np.array([41.7])])
    model.save(tmp_path / "model.keras")
    params = CompressParams(
        "tiny", str(tmp_path / "lake"), made.features, made.state, str(tmp_path / "model.keras")
    )
    found = compress.run(params).details
    before, after = (found[form]["validation"]["rmse"] for form in ("original", "compressed"))
    assert before != after
    assert found["lost"] == after / before - 1


def test_the_road_to_the_registry_is_that_of_any_model(params: CompressParams) -> None:
    training = _record(params)
    said = ("tiny", params.root, params.features, params.state)
    first = evaluate.run(EvaluateParams(*said, params.model, resamples=5))
    register.run(RegisterParams(*said, params.model, first.files["metrics"], training))
    made = compress.run(params)
    assert made.details["parameters"] == {"seed": 9}
    model = made.files["model"]
    measured = evaluate.run(EvaluateParams(*said, model, resamples=5))
    models = measured.details["models"]
    # the test split sees both, side by side
    assert models["uncompressed_network"] == first.details["models"]["network"]
    assert models["network"]["roc_auc"] == pytest.approx(
        models["uncompressed_network"]["roc_auc"], abs=0.005
    )
    record = Path(params.root) / "tiny" / "steps" / f"compress-{made.fingerprint}.json"
    asked = RegisterParams(*said, model, measured.files["metrics"], str(record))
    assert not register.run(asked).details["is_champion"]
    # a little worse is what it was made for
    crowned = register.run(replace(asked, max_loss=0.005)).details
    assert (crowned["version"], crowned["is_champion"]) == (2, True)


def test_what_was_lost_before_counts_where_it_is_held_against_the_first(
    params: CompressParams, tmp_path: Path
) -> None:
    # as one that pruning has spoilt: it has no weights left
    spoilt = replace(params, model=tiny.save_model(tmp_path / "spoilt.keras", scale=0.0))
    assert compress.run(spoilt).details["lost"] == 0
    with pytest.raises(CompressionError, match=r"ROC AUC 0\.\d+; it has 0\.5 and loses 0\."):
        compress.run(replace(spoilt, beside=params.model))
    found = compress.run(replace(params, beside=spoilt.model)).details
    assert found["lost"] < -0.2
    assert found["original"]["kernel_zeros"] == 4
    assert (found["original_model"], found["compressed"]["kernel_zeros"]) == (spoilt.model, 0)


def test_a_compressed_model_that_was_changed_since_is_refused(params: CompressParams) -> None:
    made = compress.run(params)
    Path(made.files["model"]).write_bytes(Path(params.model).read_bytes())
    said = ("tiny", params.root, params.features, params.state, made.files["model"])
    with pytest.raises(ParameterError, match="The file was changed since"):
        evaluate.run(EvaluateParams(*said, resamples=5))


def test_a_model_of_eight_bits_is_not_quantised_again(params: CompressParams) -> None:
    made = compress.run(params).files["model"]
    with pytest.raises(ParameterError, match="expected a model of float weights; its layers"):
        compress.run(replace(params, model=made))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "int4"}, "--form to be one of int8, int8-activations, packed; got int4"),
        ({"max_loss": -0.1}, "--max-loss from 0 to below 1; got -0.1"),
        ({"model": "/none"}, "--model: expected a file; found none at '/none'"),
        ({"beside": "/none"}, "--beside: expected a file; found none at '/none'"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(
    params: CompressParams, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        compress.run(replace(params, **changes))


def test_figures_are_kept_beside_the_model_and_on_a_page(params: CompressParams) -> None:
    found = compress.run(params)
    assert read_json(Path(found.files["figures"])) == found.details
    page = Path(found.files["report"]).read_text()
    sizes = (found.details[form]["weight_bytes"] for form in ("original", "compressed"))
    cells = "".join(f'<td class="num">{size}</td>' for size in sizes)
    assert f"<td>bytes of the weights</td>{cells}" in page
    assert "validation ROC AUC" in page
    assert all(layer in page for layer in found.details["quantized_layers"])
