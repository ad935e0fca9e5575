import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipelines import register
from pipelines.errors import ParameterError
from pipelines.register import RegisterParams
from pipelines.registry import package
from pipelines.state import file_digest
from pipelines.step import StepResult
from schemas.contract import Label
from tests.pipelines.tiny import SPEC, STATE


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegisterParams:
    monkeypatch.setattr(register, "dataset", lambda _: SPEC)
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    (tmp_path / "plots").mkdir()
    (tmp_path / "roc.png").write_bytes(b"png")
    return _trained(tmp_path, "first", 0.70)


def _trained(folder: Path, name: str, area: float) -> RegisterParams:
    """A training with this validation ROC AUC, as files; nothing of it is opened as a model."""
    (folder / f"{name}.keras").write_bytes(name.encode())
    training = StepResult("train", "tiny", name, details={"parameters": {"seed": 9}})
    (folder / f"{name}.json").write_text(json.dumps(asdict(training)))
    figures = {
        "features": "lake/features@v3",
        "contract": register.dataset("tiny").fingerprint(),
        "model_sha256": file_digest(folder / f"{name}.keras"),
        "state_sha256": file_digest(folder / "state.json"),
        "compared_by": {"name": "roc_auc", "words": "ROC AUC", "is_lower_better": False},
        "models": {"network": {"roc_auc": area - 0.01, "confusion": {}}},
        "validation": {"network": {"roc_auc": area}},
    }
    (folder / f"{name}.metrics.json").write_text(json.dumps(figures))
    return RegisterParams(
        "tiny",
        str(folder / "lake"),
        "lake/features@v3",
        str(folder / "state.json"),
        str(folder / f"{name}.keras"),
        str(folder / f"{name}.metrics.json"),
        training=str(folder / f"{name}.json"),
        states=(str(folder / "state.json"),),
    )


def test_the_package_holds_all_that_made_the_model(params: RegisterParams) -> None:
    found = register.run(params)
    folder = Path(found.files["package"])
    manifest = package.open_package(folder, found.details["manifest_sha256"])
    assert set(manifest["files"]) == {
        "contract.json",
        "features_state.json",
        "metrics.json",
        "model.keras",
        "plots/roc.png",
        "states/state.json",
    }
    assert manifest["tables"] == {"features": "lake/features@v3"}
    assert manifest["contract"] == SPEC.fingerprint()
    assert manifest["parameters"]["seed"] == 9
    assert len(manifest["code"]) == 16
    assert len(manifest["lock"]) == 64
    assert (folder / "model.keras").read_bytes() == b"first"


def test_what_explain_said_of_the_model_goes_along_and_of_another_does_not(
    params: RegisterParams, tmp_path: Path
) -> None:
    folder = tmp_path / "explanation"
    folder.mkdir()
    figures = json.loads(Path(params.metrics).read_text())
    said = {name: figures[name] for name in ("features", "model_sha256", "state_sha256")}
    (folder / "explanation.json").write_text(json.dumps(said | {"model_sha256": "0"}))
    (folder / "photo_0.png").write_bytes(b"png")
    asked = replace(params, explanation=str(folder / "explanation.json"))
    with pytest.raises(
        ParameterError, match=r"they were measured with 0\. Run explain on this mod"
    ):
        register.run(asked)
    assert not Path(params.root).exists()
    (folder / "explanation.json").write_text(json.dumps(said))
    found = register.run(asked)
    manifest = package.open_package(Path(found.files["package"]), found.details["manifest_sha256"])
    assert {"explanation.json", "explanation/photo_0.png"} <= set(manifest["files"])


def test_better_takes_the_alias_worse_does_not_and_again_changes_nothing(
    params: RegisterParams, tmp_path: Path
) -> None:
    first = register.run(params)
    worse = register.run(_trained(tmp_path, "worse", 0.69))
    better = register.run(_trained(tmp_path, "better", 0.72))
    assert [found.details["version"] for found in (first, worse, better)] == [1, 2, 3]
    assert [found.details["is_champion"] for found in (first, worse, better)] == [True, False, True]
    assert "0.6900 against 0.7000 of version 1" in worse.details["reason"]
    assert better.details["former_champion"] == 1
    again = register.run(_trained(tmp_path, "better", 0.72))
    assert again.is_reused
    assert again.details["version"] == 3
    # the first is champion no more: its record is out of date, its version is not
    stale = register.run(params)
    assert (stale.details["version"], stale.details["is_champion"]) == (1, False)


def test_a_lost_record_does_not_make_a_second_version(params: RegisterParams) -> None:
    register.run(params)
    for record in Path(params.root).rglob("steps/*.json"):
        record.unlink()
    again = register.run(params)
    assert not again.is_reused
    assert (again.details["version"], again.details["is_champion"]) == (1, True)


def test_another_label_does_not_beat_the_champion_silently(
    params: RegisterParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register.run(params)
    other = replace(SPEC, label=Label("is_late", "x > 100"))
    monkeypatch.setattr(register, "dataset", lambda _: other)
    easy = _trained(tmp_path, "easy", 0.99)
    found = register.run(easy)
    assert not found.details["is_champion"]
    assert "another label or split" in found.details["reason"]
    assert register.run(replace(easy, replace_incomparable=True)).details["is_champion"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("features", "lake/features@v2"), ("contract", "0"), ("model_sha256", "0"),
     ("state_sha256", "0")],
)  # fmt: skip
def test_figures_of_something_else_are_refused(
    params: RegisterParams, key: str, value: str
) -> None:
    figures = json.loads(Path(params.metrics).read_text())
    Path(params.metrics).write_text(json.dumps(figures | {key: value}))
    with pytest.raises(ParameterError, match=f"they were measured with {value}"):
        register.run(params)
    assert not Path(params.root).exists()


@pytest.mark.parametrize("flag", ["model", "state", "metrics", "training", "explanation"])
def test_a_missing_file_is_named_by_its_flag(params: RegisterParams, flag: str) -> None:
    with pytest.raises(ParameterError, match=f"--{flag}: expected a file; found none"):
        register.run(replace(params, **{flag: "/none"}))


def test_a_negative_gain_is_refused(params: RegisterParams) -> None:
    with pytest.raises(ParameterError, match=r"--minimum-gain: expected 0 or more; got -0\.1"):
        register.run(replace(params, minimum_gain=-0.1))
