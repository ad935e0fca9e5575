import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import pytest
from pyspark.sql import SparkSession

import pipelines.validate
from pipelines.errors import DataQualityError, ParameterError
from pipelines.registry import store
from pipelines.step import read_record
from pipelines.tables.write import write_table
from pipelines.validate import ValidateParams, run
from schemas.contract import Check, Column, DatasetSpec, HashSplit, Label, Source
from tests.chromium import text_of

RIDES = Source(
    "rides",
    "package:none/rides.csv",
    (Column("ride_id", "long"), Column("fare", "double")),
    primary_key=("ride_id",),
    checks=(Check("between", ("fare",), minimum=0, reason="nobody is paid to ride"),),
)
CITIES = replace(
    RIDES, name="cities", columns=(Column("city", "string"),), primary_key=("city",), checks=()
)
SPEC = DatasetSpec(
    name="rides",
    title="Rides",
    question="Is it dear?",
    sources=(RIDES, CITIES),
    label=Label("is_dear", "fare > 10"),
    split=HashSplit(("ride_id",)),
)
LINEAGE = "_source_file string, _source_position long"


@pytest.fixture(autouse=True)
def rides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.validate, "dataset", lambda _: SPEC)


def write_rides(spark: SparkSession, root: Path, *fares: float) -> str:
    rows = [(number, fare, "a.csv", number) for number, fare in enumerate(fares)]
    frame = spark.createDataFrame(rows, f"ride_id long, fare double, {LINEAGE}").coalesce(1)
    return str(write_table(frame, str(root / "rides" / "raw" / "rides"), "made"))


def params(root: Path, *inputs: str) -> ValidateParams:
    return ValidateParams("rides", str(root), inputs)


def test_a_good_table_passes_and_is_checked_once(spark: SparkSession, tmp_path: Path) -> None:
    table = write_rides(spark, tmp_path, 1.0, 2.5)
    first = run(spark, params(tmp_path, table))
    again = run(spark, params(tmp_path, table))
    assert (first.step, first.is_reused, again.is_reused) == ("validate-raw", False, True)
    assert again.details == json.loads(json.dumps(first.details))
    report = first.details["reports"][0]
    assert (report["table"], report["success"]) == (table, True)
    assert (tmp_path / "rides" / "quality" / report["data_docs"]).is_file()
    assert Path(first.files["data_docs"]).is_file()
    json.dumps(asdict(first), allow_nan=False)


def test_all_inputs_are_checked_and_stored_before_an_error_stops_the_run_again_and_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    bad = write_rides(spark, tmp_path, 1.0, -2.0)
    frame = spark.createDataFrame([("Oslo", "c.csv", 1)], f"city string, {LINEAGE}").coalesce(1)
    good = str(write_table(frame, str(tmp_path / "rides" / "raw" / "cities"), "made"))
    for _ in range(2):
        with pytest.raises(DataQualityError) as caught:
            run(spark, params(tmp_path, bad, good))
        said = str(caught.value)
        assert said.startswith("rides: 1 of 2 tables break their contract; ")
        assert (
            f"{bad}: between of fare: expected at least 0; came 1 of 2 rows that break it "
            "(nobody is paid to ride)"
        ) in said
        page = Path(said.rpartition("see ")[2])
        shown = text_of(page.read_text())
        assert "Rides: 1 check failed" in shown
        assert "between of fare raw/rides@v0 Expected at least 0" in shown
        assert "Why it matters nobody is paid to ride Samples -2.0" in shown
        assert "Passed: " in shown
    entries = tmp_path / "rides" / "reports" / "quality" / "entries" / "00000.json"
    assert [entry["errors"] for entry in json.loads(entries.read_text())] == [1]
    record = next((tmp_path / "rides" / "steps").glob("validate-raw-*.json"))
    reports = read_record(record).details["reports"]
    assert [report["success"] for report in reports] == [False, True]


def test_validations_of_one_run_share_a_page_and_a_reused_one_joins_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    tables = [write_rides(spark, tmp_path, *fares) for fares in ((1.0,), (1.0, 2.0, 3.0))]
    alone = run(spark, params(tmp_path, tables[0]))
    first, second = (run(spark, replace(params(tmp_path, t), run="monday")) for t in tables)
    assert first.is_reused
    assert first.files["quality"] == second.files["quality"] != alone.files["quality"]
    shown = text_of(Path(second.files["quality"]).read_text())
    assert "raw/rides@v0 ok 1 the first" in shown
    assert "raw/rides@v1 ok 3 2 versions, 1 to 3, now 3" in shown
    index = (tmp_path / "rides" / "reports" / "quality" / "index.html").read_text()
    assert index.count('index.html">20') == 3  # the last is named on top too
    with pytest.raises(ParameterError, match="--run: expected a name"):
        run(spark, replace(params(tmp_path, tables[0]), run="../monday"))


def test_a_warning_is_said_and_lets_the_run_go_on(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    soft = replace(RIDES, checks=(replace(RIDES.checks[0], severity="warning"),))
    spec = replace(SPEC, sources=(soft, CITIES))
    monkeypatch.setattr(pipelines.validate, "dataset", lambda _: spec)
    table = write_rides(spark, tmp_path, 1.0, -2.0)
    result = run(spark, params(tmp_path, table))
    assert result.details["reports"][0]["success"] is True
    assert f"warning: {table}: between of fare: expected at least 0" in capsys.readouterr().err


def test_another_table_of_the_same_name_is_not_taken_for_the_checked_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = write_rides(spark, tmp_path, 1.0)
    run(spark, params(tmp_path, table))
    subprocess.run(["rm", "-r", str(tmp_path / "rides" / "raw")], check=True)
    assert write_rides(spark, tmp_path, -1.0) == table
    with pytest.raises(DataQualityError):
        run(spark, params(tmp_path, table))


def test_a_lost_page_is_made_again(spark: SparkSession, tmp_path: Path) -> None:
    table = write_rides(spark, tmp_path, 1.0)
    first = run(spark, params(tmp_path, table))
    (tmp_path / "rides" / "quality" / first.details["reports"][0]["data_docs"]).unlink()
    assert run(spark, params(tmp_path, table)).is_reused is False


@pytest.mark.proves("F28")
def test_a_store_that_cannot_be_written_closes_the_gate(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = write_rides(spark, tmp_path, 1.0)
    (tmp_path / "rides" / "quality").write_text("a file where the folder should be")
    with pytest.raises(DataQualityError, match="can't be stored under"):
        run(spark, params(tmp_path, table))
    assert not (tmp_path / "rides" / "steps").exists()


def near(reference: Literal["last", "champion"]) -> DatasetSpec:
    """The contract with a check that fares are distributed as in a reference."""
    check = Check("distribution", ("fare",), measure="psi", maximum=0.25, reference=reference)
    return replace(SPEC, sources=(replace(RIDES, checks=(check,)), CITIES))


FARES, OTHERS = [float(n % 7) for n in range(70)], [float(n % 7) + 4 for n in range(70)]


def test_a_version_is_held_to_the_distribution_of_the_last_that_passed(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.validate, "dataset", lambda _: near("last"))
    run(spark, params(tmp_path, write_rides(spark, tmp_path, *FARES)))
    for _ in range(2):  # a version that failed is no reference for the next
        with pytest.raises(DataQualityError, match="distribution of fare: expected a population"):
            run(spark, params(tmp_path, write_rides(spark, tmp_path, *OTHERS)))
    run(spark, params(tmp_path, write_rides(spark, tmp_path, *reversed(FARES))))


def test_a_version_is_held_to_what_the_champion_was_trained_on(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.validate, "dataset", lambda _: near("champion"))
    first, second = (write_rides(spark, tmp_path, *fares) for fares in (FARES, OTHERS))
    # nothing was trained yet: each may be as it likes
    run(spark, params(tmp_path, first))
    assert run(spark, params(tmp_path, second)).details["reports"][0]["success"] is True
    registry = store.open_registry("", tmp_path / "registry")
    package = tmp_path / "package"
    package.mkdir()
    (package / "manifest.json").write_text("{}")
    logged = store.Logged({}, {}, {"features": first})
    store.crown(registry, store.add_version(registry, "rides", "t1", package, logged))
    with pytest.raises(DataQualityError, match="the version that the champion was trained on"):
        run(spark, params(tmp_path, second))


@pytest.mark.parametrize(
    "inputs",
    [
        (),
        ("lake/rides/raw/rides@v0", "lake/rides/split/rides@v0"),
        ("lake/rides/bronze/rides@v0",),
        ("lake/rides/raw/rides",),
    ],
)
def test_inputs_are_pinned_tables_of_one_layer(inputs: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"expected (one or more tables|a table pinned)"):
        run(None, params(tmp_path, *inputs))  # pyright: ignore[reportArgumentType]


def test_the_help_of_the_job_needs_no_great_expectations() -> None:
    code = (
        "import sys, runpy; sys.argv = ['validate', '--help']\n"
        "try: runpy.run_path('jobs/validate.py', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'great_expectations' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--inputs" in done.stdout
