"""What a whole run shows to others: sockets, command lines, files, words."""

import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.end_to_end.checkout import Checkout
from tests.end_to_end.conftest import SECRETS, SPARK_SECRET, Watched

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
CANARIES = [*SECRETS.values(), SPARK_SECRET]


@pytest.mark.proves("S3")
def test_every_process_of_a_run_listens_on_loopback_only(watched: Watched) -> None:
    # Spark's driver, its block manager and the gateway to Python live as long as the run
    assert "java" in {name for name, _ in watched.seen.listening}
    assert {address for _, address in watched.seen.listening} <= LOOPBACK


@pytest.mark.proves("S9")
def test_no_secret_is_on_a_command_line_or_printed(watched: Watched) -> None:
    lines = watched.seen.command_lines
    assert any("org.apache.spark.deploy.SparkSubmit" in line for line in lines)
    said = "\n".join([*lines, watched.seen.stdout, watched.seen.stderr])
    assert [canary for canary in CANARIES if canary in said] == []


@pytest.mark.proves("S9")
def test_no_secret_is_in_a_file_that_a_run_writes(watched: Watched) -> None:
    files = [path for path in watched.root.rglob("*") if path.is_file()]
    places = {path.relative_to(watched.root).parts[0] for path in files}
    places |= {path.relative_to(watched.root).parts[1] for path in files}
    # tables, records, reports, Data Docs and MLflow's store are among them
    assert {"parcels", "registry", "steps", "runs", "reports", "quality", "mlflow.db"} <= places
    found = [
        f"{path}: {canary}"
        for path in files
        for canary in CANARIES
        if canary.encode() in path.read_bytes()
    ]
    assert found == []


@pytest.mark.proves("S15")
@pytest.mark.proves("S22")
def test_only_their_owner_can_read_the_files_of_a_run(watched: Watched) -> None:
    """Tables, quarantine, records, checkpoints and logs, though the user's umask is 022."""
    written = [*watched.root.rglob("*")]
    assert len(written) > 200
    kinds = {path.suffix for path in written}
    assert {".parquet", ".crc", ".json", ".keras", ".npz", ".html", ".db", ".lock"} <= kinds
    shared = [
        f"{stat.filemode(path.stat().st_mode)} {path.relative_to(watched.root)}"
        for path in written
        if path.stat().st_mode & 0o077
    ]
    assert shared == []


@pytest.mark.proves("S9")
@pytest.mark.parametrize(
    "address",
    ["postgresql://ada:{}@127.0.0.1/models", "postgresql://ada@/models?host=/run&password={}"],
)
def test_a_password_in_an_address_is_refused_before_anything_is_written(
    checkout: Checkout, tmp_path: Path, address: str
) -> None:
    root = tmp_path / "lake"
    done = checkout.run(root, "--registry", address.format("canary-7b"))
    assert done.returncode == 1
    assert "expected an address without a password" in done.stderr
    assert "~/.pgpass" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert not root.exists()


@pytest.mark.proves("S22")
def test_the_page_says_how_many_rows_are_in_quarantine_and_none_of_their_text(
    watched: Watched,
) -> None:
    page = Path(watched.summary["report"]).read_text()
    assert "quarantined" in page
    # the malformed lines begin with x0 to x9
    assert [text for text in ("x3,north", "x7,north") if text in page] == []
    files = watched.root.rglob("quarantine/*.parquet")
    held = [text for path in files for text in pq.ParquetFile(path).read()["raw"].to_pylist()]
    assert "x3,north,1.0,10.0,1.0,2026-11-01T06:00:00Z" in held


_FAILS = """
from pipelines.cli import report_errors
from pipelines.spark.session import spark_session
with report_errors():
    rows = spark_session("fails").createDataFrame([("ada@" + "example.org",)], "email string")
    rows.selectExpr("cast(email as int)").collect()
"""


@pytest.mark.proves("S22")
def test_a_row_that_spark_fails_on_is_not_quoted(checkout: Checkout) -> None:
    command = [sys.executable, "-c", _FAILS]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.rpartition("error: ")[2]
    assert last.startswith("Spark: [CAST_INVALID_INPUT] The value '***' of the type")
    # Spark's own log and that of its tasks say it too
    assert done.stderr.count("CAST_INVALID_INPUT") >= 2
    assert "ada@example" not in done.stderr + done.stdout
