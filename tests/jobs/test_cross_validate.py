"""Cross-validation on Spark: a fold learns from its own training rows; killed, it goes on."""

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyspark.sql import SparkSession

import schemas.catalog
from jobs import cross_validate
from jobs.cross_validate import CrossValidateJob
from pipelines.cross_validate import Fold
from pipelines.errors import ContractError, ParameterError
from pipelines.fold import FoldParams
from pipelines.fold import run as make_fold
from pipelines.split import SplitParams
from pipelines.split import run as split
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from pipelines.tables.write import write_table
from tests.end_to_end.checkout import kill_tree, make_checkout
from tests.end_to_end.parcels import SPEC
from tests.passed import mark_passed

NUM_ROWS = 400
DEPOTS = [("north", 12), ("south", 3), ("east", 7)]
MAIN = (
    "parcel_id long, depot string, weight double, distance double, days double, sent_at timestamp, "
    "_source_file string, _source_position long"
)


@pytest.fixture(autouse=True)
def parcels(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("schemas.parcels")
    module.SPEC = SPEC  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "schemas.parcels", module)
    monkeypatch.setattr(schemas.catalog, "datasets", lambda: ["parcels"])


@pytest.fixture(scope="module")
def inputs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Split parcels and deduplicated depots, both checked."""
    root = tmp_path_factory.mktemp("parcels")
    draw = random.Random(3)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    rows: list[Any] = []
    for number in range(NUM_ROWS):
        depot, staff = draw.choice(DEPOTS)
        weight = None if draw.random() < 0.1 else draw.uniform(0.1, 30)
        distance = draw.uniform(1, 900)
        days = max(0.1, distance / 250 + (12 - staff) / 6 + draw.gauss(0, 0.7))
        at = start + timedelta(minutes=number)
        rows.append((number, depot, weight, distance, days, at, "parcels.csv", number))
    base = root / "parcels" / "deduplicated"
    main = write_table(spark.createDataFrame(rows, MAIN), str(base / "parcels"), "x")
    columns = "depot string, staff int, _source_file string, _source_position long"
    depots = [(*depot, "depots.csv", place) for place, depot in enumerate(DEPOTS)]
    other = write_table(spark.createDataFrame(depots, columns), str(base / "depots"), "y")
    mark_passed(main)
    mark_passed(other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.split.dataset", lambda _: SPEC)
        made = split(spark, SplitParams("parcels", str(root), (str(main),))).tables[0]
    mark_passed(parse_version(made))
    return made, str(other)


def test_a_fold_learns_from_its_training_rows_only(
    spark: SparkSession,
    inputs: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spark_steps = [step for step in cross_validate._LATER if step.engine == "spark"]
    monkeypatch.setattr(cross_validate, "_LATER", spark_steps)
    job = CrossValidateJob("parcels", str(tmp_path), inputs, folds=3, by="label")
    results = cross_validate._measure(spark, job, Fold(2, str(tmp_path / "fold-2")), {})
    rows = read_table(spark, parse_version(results["split"].tables[0])).collect()
    original = read_table(spark, parse_version(inputs[0])).collect()
    kept = {row["parcel_id"] for row in original if row["split"] != "test"}
    assert {row["parcel_id"] for row in rows} == kept
    fates = results["split"].rows["parcels"]
    assert (fates.read, fates.kept) == (NUM_ROWS, len(kept))
    assert fates.filtered["test_split"] == NUM_ROWS - len(kept)
    train = [row for row in rows if row["split"] == "train"]
    median = statistics.median(row["weight"] for row in train if row["weight"] is not None)
    state = json.loads(Path(results["impute"].files["state"]).read_text())
    found = [fill["value"] for fill in state["fills"]["parcels"] if fill["column"] == "weight"]
    assert found == [pytest.approx(median)]
    # of all rows it would be another: the test could see a leak
    assert median != statistics.median(row["weight"] for row in rows if row["weight"] is not None)
    engineered = json.loads(Path(results["engineer_features"].files["state"]).read_text())
    mean = statistics.fmean(row["distance"] for row in train)
    assert engineered["encode"]["scales"]["distance_num"]["shift"] == pytest.approx(mean)
    again = cross_validate._measure(spark, job, Fold(2, str(tmp_path / "fold-2")), {})
    assert all(again[step].is_reused for step in ("split", "impute", "engineer_features"))


def test_a_fold_with_an_empty_part_or_an_unknown_column_is_said(
    spark: SparkSession, inputs: tuple[str, ...], tmp_path: Path
) -> None:
    few = FoldParams("parcels", str(tmp_path), inputs[:1], 2, 9, "group", ("depot",))
    # three depots do not fill nine folds and a validation
    message = r"expected rows in each part of fold 2 of 9 by group; \['.*'\] got none. Take fewer"
    with pytest.raises(ContractError, match=message):
        make_fold(spark, few)
    with pytest.raises(ContractError, match=r"one or more columns of .*; got \['dept'\]"):
        make_fold(spark, replace(few, columns=("dept",)))
    with pytest.raises(ContractError, match="folds by group: expected --columns with one or more"):
        make_fold(spark, replace(few, columns=()))


def test_a_fold_is_not_written_over_the_table_it_comes_from(
    spark: SparkSession, inputs: tuple[str, ...]
) -> None:
    root = str(Path(inputs[0].partition("@")[0]).parents[2])
    with pytest.raises(ParameterError, match="--root: expected a folder for this fold alone"):
        make_fold(spark, FoldParams("parcels", root, inputs[:1], 1))


@pytest.mark.parametrize(
    "flag",
    [("--mix", "old@v1=0.5"), ("--teacher", "model.keras"), ("--start-from", "other@champion")],
)
def test_rows_held_out_do_not_come_in_by_the_back_door(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: tuple[str, str]
) -> None:
    flags = ["--dataset", "parcels", "--root", "lake", "--inputs", "a@v0", *flag]
    monkeypatch.setattr(sys, "argv", ["cross_validate", *flags])
    with pytest.raises(SystemExit) as ended:
        cross_validate.main()
    assert ended.value.code == 1
    assert f"expected no {flag[0]}" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_in_a_fold_it_gives_the_figures_of_an_undisturbed_one(
    inputs: tuple[str, ...], tmp_path: Path
) -> None:
    checkout = make_checkout(tmp_path / "checkout")

    def command(root: Path) -> list[str]:
        places = ["--dataset", "parcels", "--root", str(root), "--inputs", *inputs]
        how = ["--folds", "2", "--by", "time", "--np", "2"]
        learning = ["--epochs", "3", "--global-batch-size", "48", "--hidden", "8"]
        return [sys.executable, "-m", "jobs.cross_validate", *places, *how, *learning]

    def run(root: Path) -> dict[str, Any]:
        done = subprocess.run(
            command(root), cwd=checkout.folder, capture_output=True, text=True, check=False,
            timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    whole = run(tmp_path / "whole")
    killed = subprocess.Popen(
        command(tmp_path / "killed"), cwd=checkout.folder, start_new_session=True
    )
    deadline = time.monotonic() + 600
    second = "parcels/folds/*/fold-2/parcels/trainings/*/checkpoints/pointer.json"
    while not list((tmp_path / "killed").glob(second)) and time.monotonic() < deadline:
        assert killed.poll() is None
        time.sleep(0.05)
    kill_tree(killed)
    assert killed.returncode == -signal.SIGKILL
    first = next((tmp_path / "killed").glob("parcels/folds/*/fold-1.json"))
    written_at = first.stat().st_mtime_ns
    result = run(tmp_path / "killed")
    assert result["details"]["summary"] == whole["details"]["summary"]
    assert first.stat().st_mtime_ns == written_at
    assert len(whole["details"]["summary"]["network"]["roc_auc"]["folds"]) == 2
    assert run(tmp_path / "killed")["is_reused"]
