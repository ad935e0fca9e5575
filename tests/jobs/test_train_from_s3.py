"""Training by command on a table that lies on an S3 server."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.train import TrainParams
from tests.pipelines.loading.tables import rows, write_table
from tests.pipelines.test_train import _command, make_params
from tests.relay import Relay, relay
from tests.s3_server import S3Server, nobody

NAMES = ["split=train/part-00000 1.parquet", "split=train/part-00001 1.parquet"]


@pytest.fixture
def between(s3: S3Server) -> Iterator[Relay]:
    with relay(s3.port) as found:
        yield found


@pytest.fixture
def params(s3: S3Server, tmp_path: Path) -> TrainParams:
    tables = {"train": [rows(500, seed=1), rows(500, seed=2)], "validation": [rows(300, seed=4)]}
    near = write_table(tmp_path / "features", tables)
    (near / "split=train" / "orphan.parquet").write_bytes(b"left by a writer that was killed")
    url = s3.upload(near, f"tables/{tmp_path.name}")
    cache = str(tmp_path / "cache")
    return make_params(tmp_path, epochs=1, features=f"{url}@v0", cache=cache)


def result_of(output: str) -> dict[str, Any]:
    return json.loads(output.splitlines()[-1])["details"]


def command(params: TrainParams) -> list[str]:
    # a first step may take minutes on a machine with much else to do
    return [*_command(params), "--hang-seconds", "500"]


def run(program: list[str], environment: dict[str, str]) -> tuple[int, str, str, set[str]]:
    """Give exit code, stdout, stderr, and all command lines of the job and its ranks."""
    lines: set[str] = set()
    with subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        watched = psutil.Process(job.pid)
        while True:
            try:
                stdout, stderr = job.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                for process in [watched, *watched.children(recursive=True)]:
                    try:
                        lines.add(" ".join(process.cmdline()))
                    except psutil.NoSuchProcess:
                        continue
            else:
                return job.returncode, stdout, stderr, lines


def test_two_ranks_fetch_each_file_once_and_learn_as_from_the_local_table(
    between: Relay, s3: S3Server, params: TrainParams, tmp_path: Path
) -> None:
    code, stdout, stderr, lines = run(command(params), s3.environment(between.port))
    assert code == 0, stderr
    counts = {path.partition(f"{tmp_path.name}/")[2]: n for path, n in between.gets().items()}
    log = f"_delta_log/{0:020d}.json"
    assert counts == dict.fromkeys([*NAMES, "split=validation/part-00000 1.parquet", log], 1)

    local = replace(params, features=f"{tmp_path / 'features'}@v0", root=str(tmp_path / "near"))
    near = run(command(local), nobody(tmp_path))
    assert near[0] == 0, near[2]
    assert result_of(stdout)["weights_digest"] == result_of(near[1])["weights_digest"]

    assert len([line for line in lines if params.features in line]) >= 1
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    for key in (s3.access_key, s3.secret_key):
        assert key not in stdout + stderr + "".join(lines)
        assert not [content for content in written if key.encode() in content]

    # once more, as somebody whose keys and server stand in a profile
    (tmp_path / "keys").write_text(
        f"[lab]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n"
    )
    (tmp_path / "config").write_text(
        f"[profile lab]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:{between.port}\n"
    )
    profile = {
        "AWS_PROFILE": "lab",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"),
    }
    between.forget()
    other = replace(params, root=str(tmp_path / "other"))
    again = run(command(other), nobody(tmp_path) | profile)
    assert again[0] == 0, again[2]
    assert result_of(again[1])["weights_digest"] == result_of(stdout)["weights_digest"]
    assert between.requests
    assert not between.gets()


@pytest.mark.parametrize(
    "case",
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "expected keys for http://127"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "expected an answer from http://127.0.0.1:1"),
    ],
)
def test_what_is_missing_is_one_line_and_no_rank_starts(
    s3: S3Server, params: TrainParams, tmp_path: Path, case: tuple[dict[str, str], str]
) -> None:
    settings, message = case
    environment = s3.environment() | settings
    code, stdout, stderr, lines = run(command(params), environment)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"error: {params.features}: {message}")
    assert stderr.count("\n") == 1
    assert len(lines) <= 1
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {
        ".lock",
        ".in-use",
    }
    assert not (tmp_path / "lake").exists()
