"""The road of a small data set on S3 and on HDFS: all that a local disk would hold, and no less.

A run there is killed and repeated, and the other commands do their work on what it left.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hdfs_native import Client

from pipelines.storage.copies import local_files
from pipelines.storage.place import RemotePath, place
from pipelines.tables.records import open_table, read_records
from tests.end_to_end.checkout import Checkout, contents
from tests.end_to_end.remote_lake import DATASET, LAYERS, Lake, summary
from tests.hdfs_server import hdfs_server
from tests.postgres_server import USER, postgres_server
from tests.s3_server import S3Server

pytestmark = pytest.mark.slow
_DAY_S = 86_400.0
_MENDED = {
    2: "9000,north,1.0,10.0,1.0,2026-11-01T06:00:00Z",
    3: "9001,south,2.0,20.0,1.0,2026-11-02T06:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Walked:
    """A lake after two runs to the end, the first after one that was killed: what they left."""

    lake: Lake
    said: dict[str, Any]
    again: dict[str, Any]
    num_repeated: int
    tables: dict[str, str]
    files: set[str]
    files_again: set[str]
    printed: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the other commands said on such a lake, in this order, and what they left."""

    drift: dict[str, Any]
    trace: dict[str, Any]
    exported: list[dict[str, Any]]
    replayed: dict[str, Any]
    replayed_again: dict[str, Any]
    refused: str
    dry: dict[str, Any]
    maintained: dict[str, Any]
    tables: tuple[dict[str, str], dict[str, str]]
    left: set[str]
    purged: dict[str, Any]
    num_left: int


def _on_s3(s3: S3Server, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in s3.environment().items():
        patch.setenv(name, value)

    def set_age(path: RemotePath, age_s: float) -> None:
        file = s3.folder / "objects" / str(path).removeprefix("s3a://")
        moment = time.time() - age_s
        os.utime(file, (moment, moment))

    environment = s3.environment()
    return {"root": f"s3a://{s3.bucket}/road", "environment": environment, "set_age": set_age}


def _on_hdfs(address: str) -> dict[str, Any]:
    def set_age(path: RemotePath, age_s: float) -> None:
        moment = int((time.time() - age_s) * 1000)
        Client(address).set_times(str(path).removeprefix(address), moment, moment)

    return {"root": f"{address}/lake", "environment": {**os.environ}, "set_age": set_age}


@pytest.fixture(scope="module", params=["s3", "hdfs"])
def walked(
    request: pytest.FixtureRequest, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        database = stack.enter_context(postgres_server("models"))
        if request.param == "s3":
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            there = _on_s3(request.getfixturevalue("s3"), patch)
        else:
            there = _on_hdfs(stack.enter_context(hdfs_server(folder / "hdfs")))
        registry = f"postgresql://{USER}@/models?host={database}"
        lake = Lake(registry=registry, checkout=checkout, folder=folder, **there)
        lake.run_killed()
        said = lake.run()
        tables, files = lake.tables(), lake.files()
        again = lake.run()
        yield Walked(
            lake,
            summary(said),
            summary(again),
            again.stderr.count("(done before, not repeated)"),
            tables,
            files,
            lake.files(),
            said.stdout + said.stderr,
        )


@pytest.fixture(scope="module")
def kept(walked: Walked) -> Kept:
    lake, tables = walked.lake, walked.said["tables"]
    looked_at = ("--inputs", *tables["engineer_features"], "--predictions", *tables["score"])
    drift = lake.job("report_quality", *looked_at, registry=True)
    trace = lake.job("trace", "--key", "parcel_id=100")
    export, mended = lake.folder / "open.jsonl", lake.folder / "mended.jsonl"
    lake.job("replay", "--export", str(export))
    exported = [json.loads(line) for line in export.read_text().splitlines()]
    first = exported[0]["position"]
    for row in exported:
        row_number = row["position"] - first + 2
        change = {"raw": _MENDED[row_number]} if row_number in _MENDED else {}
        with mended.open("a") as file:
            file.write(json.dumps(row | (change or {"discard": "a test"})) + "\n")
    replayed = lake.job("replay", "--rows", str(mended))
    replayed_again = lake.job("replay", "--rows", str(mended))
    _make_small_files(lake)
    for name, age in (("young", 6.0), ("old", 8.0)):
        orphan = lake.base / "raw" / DATASET / f"part-{name}.parquet"
        orphan.write_bytes(b"of a writer that was killed, or of one that has yet to commit")
        lake.set_age(orphan, age * _DAY_S)
    before = lake.tables() | {"depots": lake.digest("raw/depots")}
    refused = lake.fails("maintain", "--older-than-days", "0")
    dry = lake.job("maintain", "--older-than-days", "0", "--dry-run", registry=True)
    maintained = lake.job("maintain", "--older-than-days", "0", registry=True)
    after = lake.tables() | {"depots": lake.digest("raw/depots")}
    left = lake.files()
    purged = lake.job("purge", "--older-than-days", "0")
    with local_files(lake.base / "quarantine") as folder:
        num_left = sum(pq.ParquetFile(file).metadata.num_rows for file in folder.glob("*.parquet"))
    return Kept(
        drift,
        trace,
        exported,
        replayed,
        replayed_again,
        refused,
        dry,
        maintained,
        (before, after),
        left,
        purged,
        num_left,
    )


def _make_small_files(lake: Lake) -> None:
    path = lake.base / "raw" / "depots"
    for number in range(5):
        columns = {"depot": [f"d{number}"], "staff": pa.array([1], pa.int32())}
        columns |= {"_source_file": ["a.csv"], "_source_position": [number]}
        write_deltalake(open_table(path), pa.table(columns), mode="append")


def test_a_killed_run_that_is_repeated_leaves_the_tables_of_a_local_one(
    walked: Walked, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    root, _ = undisturbed
    local = {layer: contents(root, DATASET, layer, DATASET) for layer in LAYERS}
    assert walked.tables == local | {"predictions": contents(root, DATASET, "predictions")}


def test_the_model_that_is_scored_is_the_one_that_a_local_run_makes(
    walked: Walked, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    _, local = undisturbed
    far, base = walked.said, walked.lake.base
    assert far["metrics"] == local["metrics"]
    assert far["model"]["is_champion"]
    assert far["tables"]["score"] == [f"{base}/predictions@v0"]
    assert place(far["report"]).read_text().startswith("<!DOCTYPE html>")
    assert (base / "quality" / "data_docs" / "index.html").is_file()
    assert (base / "reports" / "quality" / "index.html").is_file()


def test_a_second_run_writes_no_table_and_no_model(walked: Walked) -> None:
    assert walked.files_again == walked.files
    assert walked.again["tables"] == walked.said["tables"]
    assert walked.num_repeated == len(walked.again["tables"])


def test_keys_stand_nowhere(walked: Walked) -> None:
    secret = walked.lake.environment.get("AWS_SECRET_ACCESS_KEY", "no key")
    assert secret not in walked.printed
    with local_files(walked.lake.base.parent) as folder:
        texts = [path for path in folder.rglob("*") if path.suffix in (".json", ".html", ".yml")]
        assert len(texts) > 50
        assert [path for path in texts if secret in path.read_text()] == []


def test_features_and_predictions_are_held_to_what_the_champion_learned_from(
    walked: Walked, kept: Kept
) -> None:
    files, said = kept.drift["files"], kept.drift["details"]
    assert place(files["report"]).read_text().startswith("<!DOCTYPE html>")
    assert (said["verdict"], said["rows_now"], said["rows_reference"]) == ("ok", 3000, 2111)
    (look,) = read_records(walked.lake.base / "drift_history")
    assert (walked.lake.base / look["page"]).is_file()
    index = (walked.lake.base / "reports" / "quality" / "index.html").read_text()
    assert f"drift/{said['fingerprint']}/index.html" in index


def test_a_key_is_followed_as_on_a_local_root(
    walked: Walked, kept: Kept, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    lake = walked.lake
    local = Lake(str(undisturbed[0]), "", lake.checkout, {**os.environ}, lake.folder, lake.set_age)
    there = local.job("trace", "--key", "parcel_id=100")
    assert kept.trace["verdict"] == there["verdict"]
    assert [table["num_rows"] for table in there["tables"]][:2] == [2, 1]
    assert [t["rows"] for t in kept.trace["tables"]] == [t["rows"] for t in there["tables"]]


def test_mended_rows_come_back_once(walked: Walked, kept: Kept) -> None:
    assert [row["raw"][:2] for row in kept.exported] == [f"x{number}" for number in range(10)]
    fates = kept.replayed["rows"][DATASET]
    assert fates["filtered"] == {"replayed": 2, "discarded": 8}
    assert (fates["quarantined"], fates["kept"]) == ({}, 3052)
    landed = kept.replayed["details"]["replay"]
    assert (landed["num_replayed"], landed["num_discarded"], landed["num_known"]) == (2, 8, 0)
    again = kept.replayed_again
    assert (again["is_reused"], again["tables"]) == (True, kept.replayed["tables"])
    assert again["details"]["replay"]["num_known"] == 10
    names = walked.lake.base / "replays" / DATASET
    assert sorted(name.rpartition(".")[2] for name in names.names()) == ["csv", "json"]


def test_upkeep_changes_no_row_and_keeps_what_a_writer_may_commit(
    walked: Walked, kept: Kept
) -> None:
    before, after = kept.tables
    assert after == before
    of = {item["table"]: item for item in kept.maintained["tables"]}
    assert of["raw/depots"]["files_joined"] == 5
    raw, features = of[f"raw/{DATASET}"], of[f"features/{DATASET}"]
    assert (raw["protected"].keys(), raw["removed"]) == ({"v0", "v1"}, 1)
    assert "model parcels 1, champion" in features["protected"]["v0"]
    assert f"raw/{DATASET}/part-young.parquet" in kept.left
    assert f"raw/{DATASET}/part-old.parquet" not in kept.left
    assert of[f"{DATASET}/ledger"]["removed"] > 0
    assert kept.dry["removed"] <= kept.maintained["removed"]
    assert len(read_records(walked.lake.base / "raw" / DATASET, version=0)) == 3050


def test_upkeep_without_the_registry_that_pins_versions_is_refused(kept: Kept) -> None:
    assert "--registry: expected the postgresql://USER@HOST/NAME of the models" in kept.refused


def test_rows_that_were_purged_are_in_no_file(kept: Kept) -> None:
    assert (kept.purged["deleted"], kept.purged["kept"]) == (10, 0)
    assert kept.num_left == 0
