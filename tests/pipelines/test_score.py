import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipelines import compress, evaluate, register, score
from pipelines.compress import CompressParams
from pipelines.errors import LedgerError, ParameterError, TableError
from pipelines.evaluate import EvaluateParams
from pipelines.evaluation.arrays import read_batches
from pipelines.evaluation.predict import num_opened, open_predictor
from pipelines.evaluation.scorer import Scorer
from pipelines.register import RegisterParams
from pipelines.score import ScoreParams, explain_fates
from pipelines.state import file_digest
from pipelines.step import Fates
from pipelines.tables.ledger import check_fates
from pipelines.tables.version import TableVersion, parse_version
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoreParams]:
    """A measured and registered model; the contract stands in for one in schemas/."""
    folder = tmp_path_factory.mktemp("score")
    with pytest.MonkeyPatch.context() as patch:
        for module in (compress, evaluate, register, score):
            patch.setattr(module, "dataset", lambda _: tiny.SPEC)
        root, features = str(folder / "lake"), tiny.write_features(folder / "features")
        state = tiny.write_state(folder / "state.json")
        model = tiny.save_model(folder / "model.keras")
        measured = evaluate.run(EvaluateParams("tiny", root, features, state, model, resamples=5))
        register.run(
            RegisterParams("tiny", root, features, state, model, measured.files["metrics"])
        )
        yield ScoreParams("tiny", root, features)


def _read(spark: SparkSession, table: str) -> list[dict[str, object]]:
    version = parse_version(table)
    reader = spark.read.format("delta").option("versionAsOf", version.version)
    return [row.asDict() for row in reader.load(version.path).collect()]


def test_scores_are_the_evaluation_s_probabilities_row_by_row(
    spark: SparkSession, params: ScoreParams
) -> None:
    found = score.run(spark, params)
    assert found.rows == {"features": Fates(1000, 200, filtered={"outside_split": 800})}
    rows = sorted(_read(spark, found.tables[0]), key=lambda row: str(row["order_id"]))
    source = parse_version(params.features).path
    files = [f"{source}/split=test/part-0.parquet"]
    model = str(Path(source).parent / "model.keras")
    predict = open_predictor(model, file_digest(Path(model)))
    (batch,) = read_batches(files, tiny.FEATURES)
    expected = dict(zip(range(800, 1000), predict(batch).tolist(), strict=True))
    assert [row["order_id"] for row in rows] == list(expected)
    assert [row["probability"] for row in rows] == pytest.approx(list(expected.values()), abs=1e-6)
    assert [row["is_late"] for row in rows] == batch.label.tolist()
    constant = {"split": "test", "model_name": "tiny", "model_version": 1, "features_version": 0}
    assert all(constant.items() <= row.items() for row in rows)


def test_the_same_again_is_reused_and_another_split_is_not(
    spark: SparkSession, params: ScoreParams
) -> None:
    first = score.run(spark, params)
    assert score.run(spark, replace(params, model="1")).is_reused
    everything = score.run(spark, replace(params, split="all"))
    assert everything.rows == {"features": Fates(1000, 1000)}
    assert len(_read(spark, everything.tables[0])) == 1000
    # the former version stays readable
    assert len(_read(spark, first.tables[0])) == 200


def test_each_worker_process_opens_the_model_once(spark: SparkSession, params: ScoreParams) -> None:
    folder = Path(parse_version(params.features).path).parent
    # a file of its own: workers of other tests may be here still, with their models
    model = shutil.copyfile(folder / "model.keras", f"{folder}/copy.keras")
    scorer = Scorer(model, file_digest(Path(model)), tiny.FEATURES, ("order_id",))

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import os  # noqa: PLC0415  runs in the worker

        for scored in scorer(batches):
            yield pa.RecordBatch.from_pydict(
                {
                    "pid": [os.getpid()] * scored.num_rows,
                    "opened": [num_opened(model)] * scored.num_rows,
                }
            )

    num_tasks = 16
    table = score.read_table(spark, TableVersion(str(folder / "features"), 0))
    table = table.repartition(num_tasks)
    found = table.mapInArrow(count, "pid long, opened long").distinct().collect()
    assert {row["opened"] for row in found} == {1}
    # some process served more than one task; how many there are is Spark's affair: a new one starts
    # where the former has not come back yet
    assert len(found) < num_tasks


def test_a_model_of_eight_bits_scores_as_its_file_says(
    spark: SparkSession, params: ScoreParams
) -> None:
    folder = Path(parse_version(params.features).path).parent
    large, state = str(folder / "model.keras"), str(folder / "state.json")
    asked = CompressParams("tiny", params.root, params.features, state, large)
    small = compress.run(asked).files["model"]
    table = score.read_table(spark, TableVersion(str(folder / "features"), 0))
    scorer = Scorer(small, file_digest(Path(small)), tiny.FEATURES, ("order_id",))
    rows = score.score_rows(table.where("split = 'test'"), scorer).orderBy("order_id").collect()
    (batch,) = read_batches([f"{folder}/features/split=test/part-0.parquet"], tiny.FEATURES)
    eight, whole = (
        open_predictor(model, file_digest(Path(model)))(batch) for model in (small, large)
    )
    assert [row["probability"] for row in rows] == pytest.approx(eight.tolist(), abs=1e-6)
    assert np.abs(eight - whole).max() > 1e-4


def test_a_worker_refuses_a_changed_model(spark: SparkSession, params: ScoreParams) -> None:
    folder = Path(parse_version(params.features).path).parent
    scorer = Scorer(str(folder / "model.keras"), "0" * 64, tiny.FEATURES, ("order_id",))
    table = score.read_table(spark, TableVersion(str(folder / "features"), 0))
    with pytest.raises(PySparkException, match="expected SHA-256 0000"):
        score.score_rows(table, scorer).collect()


def test_the_job_refuses_a_registered_model_that_was_changed(
    spark: SparkSession, params: ScoreParams
) -> None:
    (model,) = Path(params.root).glob("registry/artifacts/**/model.keras")
    content = model.read_bytes()
    before = sorted(Path(params.root).rglob("predictions/_delta_log/*.json"))
    try:
        model.write_bytes(content + b" ")
        with pytest.raises(ParameterError, match=r"model\.keras: expected SHA-256"):
            score.run(spark, replace(params, split="validation"))
    finally:
        model.write_bytes(content)
    assert sorted(Path(params.root).rglob("predictions/_delta_log/*.json")) == before


@pytest.mark.parametrize("fates", [Fates(199, 199), Fates(201, 201)])
def test_a_row_lost_or_doubled_by_a_worker_is_caught(fates: Fates) -> None:
    explained = explain_fates(fates, {"train": 600, "test": 200}, "test")
    with pytest.raises(LedgerError, match="1 rows with"):
        check_fates("predictions@v0", explained)


def test_wrong_inputs_are_named(spark: SparkSession, params: ScoreParams, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"--split: expected one of .*; got 'late'"):
        score.run(spark, replace(params, split="late"))
    with pytest.raises(ParameterError, match=r"got '9'\. Registered versions: \[1\]"):
        score.run(spark, replace(params, model="9"))
    empty = tiny.write_features(tmp_path / "features", {"test": ()})
    with pytest.raises(TableError, match="the split test is empty"):
        score.run(spark, replace(params, features=empty))
    plain = spark.range(3).selectExpr("id AS order_id", "'test' AS split")
    plain.write.format("delta").partitionBy("split").save(str(tmp_path / "plain"))
    with pytest.raises(TableError, match=r"needs the columns \['shop_code', 'x_num', 'y_num'\]"):
        score.run(spark, replace(params, features=f"{tmp_path / 'plain'}@v0"))
