"""A registered model whose files were changed: refused in one line, and another version scores."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines import evaluate, register, score
from pipelines.errors import ParameterError
from pipelines.evaluate import EvaluateParams
from pipelines.layout import Layout
from pipelines.register import RegisterParams
from pipelines.registry import store
from pipelines.score import ScoreParams
from pipelines.state import file_digest, read_json, write_json
from pipelines.step import StepResult
from tests.pipelines import tiny

pytestmark = pytest.mark.proves("S10")


@dataclass(frozen=True, slots=True)
class Registered:
    """Two versions of a model; the second is champion."""

    folder: Path
    first: RegisterParams
    package: Path

    @property
    def scoring(self) -> ScoreParams:
        return ScoreParams("tiny", self.first.root, self.first.features, split="validation")


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    folder = tmp_path_factory.mktemp("registered")
    with pytest.MonkeyPatch.context() as patch:
        for module in (evaluate, register, score):
            patch.setattr(module, "dataset", lambda _: tiny.SPEC)
        root, features = str(folder / "lake"), tiny.write_features(folder / "features")
        state = tiny.write_state(folder / "state.json")
        model = tiny.save_model(folder / "first.keras")
        measured = evaluate.run(EvaluateParams("tiny", root, features, state, model, resamples=5))
        metrics = measured.files["metrics"]
        first = RegisterParams("tiny", root, features, state, model, metrics)
        register.run(first)
        second = _register_better(folder, first)
        yield Registered(folder, first, Path(second.files["package"]))


def _better(folder: Path, first: RegisterParams) -> RegisterParams:
    model = tiny.save_model(folder / "second.keras", scale=2.0)
    figures = read_json(Path(first.metrics))
    figures |= {"model_sha256": file_digest(Path(model))}
    figures["validation"]["network"]["roc_auc"] = 0.999
    write_json(folder / "metrics.json", figures)
    return replace(first, model=model, metrics=str(folder / "metrics.json"))


def _register_better(folder: Path, first: RegisterParams) -> StepResult:
    made = register.run(_better(folder, first))
    assert (made.details["version"], made.details["is_champion"]) == (2, True)
    return made


def _predictions(registered: Registered) -> list[Path]:
    return sorted(Path(registered.first.root).rglob("predictions/_delta_log/*.json"))


@pytest.mark.parametrize(
    "name", ["model.keras", "features_state.json", "contract.json", "metrics.json", "manifest.json"]
)
@pytest.mark.parametrize("harm", ["changed", "lost"])
def test_a_changed_or_lost_file_of_the_champion_is_refused(
    spark: SparkSession, registered: Registered, name: str, harm: str
) -> None:
    path = registered.package / name
    content, before = path.read_bytes(), _predictions(registered)
    try:
        path.unlink()
        if harm == "changed":
            path.write_bytes(content.replace(b"tiny", b"evil") + b" ")
        with pytest.raises(ParameterError, match=f"{name}.*or take another version") as caught:
            score.run(spark, registered.scoring)
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(content)
    assert _predictions(registered) == before


def test_a_manifest_that_was_changed_with_the_files_it_names_is_refused(
    spark: SparkSession, registered: Registered
) -> None:
    """Who can write the files can make them agree; the digest in the database they can't reach."""
    model, manifest = registered.package / "model.keras", registered.package / "manifest.json"
    kept = model.read_bytes(), manifest.read_bytes()
    try:
        tiny.save_model(model, scale=-1.0)
        said = json.loads(kept[1])
        said["files"]["model.keras"] = file_digest(model)
        manifest.write_text(json.dumps(said))
        with pytest.raises(ParameterError, match=r"manifest\.json: expected SHA-256"):
            score.run(spark, registered.scoring)
    finally:
        model.write_bytes(kept[0])
        manifest.write_bytes(kept[1])


@pytest.mark.parametrize("digest", ["", "none"])
def test_a_version_without_its_digest_is_refused(
    spark: SparkSession, registered: Registered, digest: str
) -> None:
    registry = store.open_registry("", Path(registered.first.root) / "registry")
    version = store.resolve(registry, "tiny", "2")
    kept = version.tags["manifest_sha256"]
    try:
        registry.client.delete_model_version_tag("tiny", "2", "manifest_sha256")
        if digest:
            registry.client.set_model_version_tag("tiny", "2", "manifest_sha256", digest)
        with pytest.raises(ParameterError, match="expected the SHA-256 of its manifest"):
            score.run(spark, registered.scoring)
    finally:
        registry.client.set_model_version_tag("tiny", "2", "manifest_sha256", kept)


def test_a_candidate_that_was_changed_is_not_registered_and_the_champion_stays(
    registered: Registered, tmp_path: Path
) -> None:
    registry = store.open_registry("", Path(registered.first.root) / "registry")
    before = store.find_champion(registry, "tiny")
    changed = _better(tmp_path, registered.first)
    Path(changed.model).write_bytes(Path(changed.model).read_bytes() + b" ")
    with pytest.raises(ParameterError, match="Run evaluate on this model"):
        register.run(changed)
    assert store.find_champion(registry, "tiny") == before
    assert before is not None
    assert before.number == 2


def test_a_model_that_was_changed_since_its_training_is_neither_measured_nor_registered(
    registered: Registered, tmp_path: Path
) -> None:
    model = tiny.save_model(tmp_path / "third.keras")
    training = StepResult("train", "tiny", "t1", files={"model": model},
                          details={"model_sha256": file_digest(Path(model))})  # fmt: skip
    layout = Layout(registered.first.root, "tiny")
    record = layout.steps / "train-t1.json"
    write_json(record, asdict(training))
    first = registered.first
    asked = EvaluateParams("tiny", first.root, first.features, first.state, model, resamples=5)
    Path(model).write_bytes(Path(model).read_bytes() + b" ")
    try:
        with pytest.raises(ParameterError, match="expected the model that was trained, SHA-256"):
            evaluate.run(asked)
        with pytest.raises(ParameterError, match="expected the model that was trained, SHA-256"):
            register.run(replace(first, model=model, training=str(record)))
    finally:
        record.unlink()


@pytest.mark.proves("S14")
def test_a_training_named_by_a_query_is_refused(registered: Registered, tmp_path: Path) -> None:
    record = tmp_path / "training.json"
    training = StepResult("train", "tiny", "' OR attributes.status = 'RUNNING")
    write_json(record, asdict(training))
    with pytest.raises(ParameterError, match="--training: expected the record of a train step"):
        register.run(replace(registered.first, training=str(record)))


def test_while_the_champion_is_harmed_another_version_scores(
    spark: SparkSession, registered: Registered
) -> None:
    model = registered.package / "model.keras"
    content = model.read_bytes()
    try:
        model.write_bytes(b"PK" + content)
        with pytest.raises(ParameterError, match="or take another version"):
            score.run(spark, registered.scoring)
        made = score.run(spark, replace(registered.scoring, model="1"))
    finally:
        model.write_bytes(content)
    assert (made.details["version"], made.rows["features"].kept) == (1, 200)
