"""The road of a small data set on roots that lie elsewhere: the same tables as on a local disk."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.storage.copies import local_files
from pipelines.storage.place import RemotePath, place
from tests.end_to_end.checkout import Checkout, contents, kill_tree
from tests.hdfs_server import hdfs_server
from tests.s3_server import S3Server

LAYERS = ("raw", "deduplicated", "split", "imputed", "features")
_PATIENCE_S = 1500.0
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Lake:
    """A root elsewhere, what the run on it said, and how to run on it again."""

    root: str
    said: subprocess.CompletedProcess[str]
    command: list[str]
    folder: Path
    environment: dict[str, str]

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the same command once more."""
        return _run(self.command, self.folder, self.environment)


def _run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done


def _summary(said: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (line,) = said.stdout.splitlines()
    return json.loads(line)


def _tables(root: str) -> dict[str, str]:
    """Digest of the main table at its last version, by layer."""
    with local_files(place(f"{root}/parcels")) as folder:
        lake = folder.parent / "copy"
        lake.mkdir()
        (lake / "parcels").symlink_to(folder)
        found = {layer: contents(lake, "parcels", layer, "parcels") for layer in LAYERS}
        (lake / "parcels").unlink()
        lake.rmdir()
    return found


@pytest.fixture(scope="module")
def on_s3(
    checkout: Checkout, s3: S3Server, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """A run to the end, after one that was killed while it wrote a table."""
    cache = tmp_path_factory.mktemp("cache")
    root, environment = f"s3a://{s3.bucket}/road", s3.environment()
    flags = ("--cache", str(cache), "--registry", postgres)
    command = [*checkout.command(Path("unused"), *flags)]
    command[command.index("unused")] = root
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment.items():
            patch.setenv(name, value)
        killed = subprocess.Popen(
            command,
            cwd=checkout.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        stack.callback(kill_tree, killed)
        deadline = time.monotonic() + _PATIENCE_S
        while not s3.keys("road/parcels/deduplicated"):
            assert killed.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "it never came to its second step"
            time.sleep(0.1)
        kill_tree(killed)
        said = _run(command, checkout.folder, environment)
        yield Lake(root, said, command, checkout.folder, environment)


def test_a_killed_run_on_s3_that_is_repeated_leaves_the_tables_of_a_local_one(
    on_s3: Lake, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    root, _ = undisturbed
    assert _tables(on_s3.root) == {
        layer: contents(root, "parcels", layer, "parcels") for layer in LAYERS
    }


def test_the_model_scored_on_s3_is_the_one_that_a_local_run_makes(
    on_s3: Lake, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    _, local = undisturbed
    far = _summary(on_s3.said)
    assert far["metrics"] == local["metrics"]
    assert far["model"]["is_champion"]
    assert far["tables"]["score"] == [f"{on_s3.root}/parcels/predictions@v0"]
    base = place(f"{on_s3.root}/parcels")
    with local_files(base / "predictions") as folder:
        assert contents(folder.parent, folder.name, "") == contents(
            undisturbed[0], "parcels", "predictions"
        )
    assert place(far["report"]).read_text().startswith("<!DOCTYPE html>")
    assert (base / "quality" / "data_docs" / "index.html").is_file()
    assert (base / "reports" / "quality" / "index.html").is_file()


def test_a_second_run_on_s3_writes_no_table_and_no_model(on_s3: Lake, s3: S3Server) -> None:
    before = {key for key in s3.keys("road") if not _is_of_a_run(key)}
    again = on_s3.run()
    assert {key for key in s3.keys("road") if not _is_of_a_run(key)} == before
    assert _summary(again)["tables"] == _summary(on_s3.said)["tables"]
    assert again.stderr.count("(done before, not repeated)") == len(_summary(again)["tables"])


def _is_of_a_run(key: str) -> bool:
    """Records and pages of runs, and no more, are new after each."""
    return "/parcels/runs/" in key or "/parcels/reports/" in key


def test_the_keys_of_the_server_stand_nowhere(on_s3: Lake, s3: S3Server) -> None:
    assert s3.secret_key not in on_s3.said.stdout + on_s3.said.stderr
    with local_files(place(on_s3.root)) as folder:
        texts = [path for path in folder.rglob("*") if path.suffix in (".json", ".html", ".yml")]
        assert len(texts) > 50
        assert [path for path in texts if s3.secret_key in path.read_text()] == []


def test_a_run_on_hdfs_leaves_the_tables_of_a_local_one_and_a_second_does_nothing(
    checkout: Checkout, undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    with hdfs_server(tmp_path / "hdfs") as address:
        root = f"{address}/lake"
        command = [*checkout.command(Path("unused"), "--until", "engineer_features")]
        command[command.index("unused")] = root
        environment = {**os.environ}
        _run(command, checkout.folder, environment)
        local, _ = undisturbed
        expected = {layer: contents(local, "parcels", layer, "parcels") for layer in LAYERS}
        assert _tables(root) == expected
        base = place(root)
        assert isinstance(base, RemotePath)
        before = {name for name in base.files_below() if not _is_of_a_run(f"/{name}")}
        again = _run(command, checkout.folder, environment)
        assert again.stderr.count("(done before, not repeated)") == 10
        assert {name for name in base.files_below() if not _is_of_a_run(f"/{name}")} == before
