"""The generator's own promises: counts that are true, times that agree, the same bytes again."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import SparkSession

import schemas.flights
from pipelines.ingest import IngestParams, run
from schemas.leakage import check_contract
from tests.benchmarks.generate import Generated, generate
from tests.benchmarks.steps import stretch

_ROWS = 340_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Generated]:
    folder = tmp_path_factory.mktemp("generated")
    return folder, generate(folder, _ROWS)


def _read(folder: Path, pattern: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted((folder / "flights").glob(pattern)):
        header, *lines = path.read_text().splitlines()
        # not by csv: an unclosed quote is one of the faults
        rows += [dict(zip(header.split(","), line.split(","), strict=False)) for line in lines]
    return rows


def test_clean_rows_are_distinct_and_faults_are_as_counted(made: tuple[Path, Generated]) -> None:
    folder, said = made
    lines = [
        line
        for path in sorted((folder / "flights").iterdir())
        for line in path.read_text().splitlines()[1:]
    ]
    assert len(lines) == said.ingested["read"]
    assert said.num_copies == 2
    early, late = _read(folder, "flights-0*"), _read(folder, "flights-late*")
    good = [row for row in early if _is_good(row)]
    keys = Counter((row["time_hour"], row["carrier"], row["flight"]) for row in good)
    assert len(keys) == _ROWS == said.deduplicated["kept"]
    assert sum(keys.values()) - _ROWS == said.deduplicated["duplicate"]
    assert len(late) == said.deduplicated["filtered"]["older_version"]
    assert all((row["time_hour"], row["carrier"], row["flight"]) in keys for row in late)


def test_the_hour_in_utc_is_the_local_hour(made: tuple[Path, Generated]) -> None:
    good = [row for row in _read(made[0], "flights-0*") if _is_good(row)]
    for row in good[::501]:
        hour = datetime.fromisoformat(row["time_hour"]).astimezone(ZoneInfo("America/New_York"))
        said = tuple(int(row[name]) for name in ("year", "month", "day", "hour"))
        assert said == (hour.year, hour.month, hour.day, hour.hour)


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    assert generate(first, 2_000).ingested == generate(second, 2_000).ingested
    for path in (first / "flights").iterdir():
        assert path.read_bytes() == (second / "flights" / path.name).read_bytes()


def test_the_stretched_contract_is_sound() -> None:
    assert check_contract(stretch(schemas.flights.SPEC, 30)).split != schemas.flights.SPEC.split
    assert asdict(stretch(schemas.flights.SPEC, 2).split)["test"] == ("2014-10-31", "2014-12-30")


def test_ingest_finds_the_planted_faults(spark: SparkSession, tmp_path: Path) -> None:
    said = generate(tmp_path, 4_000)
    found = run(spark, IngestParams("flights", str(tmp_path / "lake"), said.sources)).rows[
        "flights"
    ]
    assert (found.read, found.kept) == (said.ingested["read"], said.ingested["kept"])
    assert found.quarantined == said.ingested["quarantined"]


def _is_good(row: dict[str, str]) -> bool:
    is_whole = row.get("time_hour", "").endswith("Z") and '"' not in row["tailnum"]
    return is_whole and row["dep_delay"] != "late" and row["flight"] != "NA"
