"""A root that lies elsewhere, and what the project's commands leave on it, run as a user would."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.storage.copies import local_files
from pipelines.storage.place import RemotePath, place
from tests.end_to_end.checkout import Checkout, contents, kill_tree

DATASET = "parcels"
LAYERS = ("raw", "deduplicated", "split", "imputed", "features")
_PATIENCE_S = 1500.0
SetAge = Callable[[RemotePath, float], None]


@dataclass(frozen=True, slots=True)
class Lake:
    """A root, and how commands are run on it.

    ``set_age`` makes a file as old as so many seconds, as the server sees it.
    """

    root: str
    registry: str
    checkout: Checkout
    environment: Mapping[str, str]
    folder: Path
    set_age: SetAge

    @property
    def base(self) -> RemotePath:
        """Folder of the data set."""
        found = place(self.root) / DATASET
        assert isinstance(found, RemotePath)
        return found

    def run(self) -> subprocess.CompletedProcess[str]:
        """Walk the whole road."""
        return self._run(self._road())

    def run_killed(self) -> None:
        """Walk the road until the second step has begun to write, and be killed."""
        with ExitStack() as stack:
            killed = subprocess.Popen(
                self._road(),
                cwd=self.checkout.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(kill_tree, killed)
            deadline = time.monotonic() + _PATIENCE_S
            while not (self.base / "deduplicated").exists():
                assert killed.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < deadline, "it never came to its second step"
                time.sleep(0.1)

    def job(self, name: str, *flags: str, registry: bool = False) -> dict[str, Any]:
        """Run one job and give the JSON line that it prints."""
        more = ["--registry", self.registry] if registry else []
        command = [sys.executable, "-m", f"jobs.{name}", "--dataset", DATASET, "--root", self.root]
        return summary(self._run([*command, *flags, *more]))

    def fails(self, name: str, *flags: str) -> str:
        """Run one job that is refused, and give what it says."""
        command = [sys.executable, "-m", f"jobs.{name}", "--dataset", DATASET, "--root", self.root]
        done = _run([*command, *flags], self.checkout.folder, self.environment)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    def tables(self) -> dict[str, str]:
        """Digest of the main table at its last version, by layer, and of the predictions."""
        names = {layer: f"{layer}/{DATASET}" for layer in LAYERS} | {"predictions": "predictions"}
        return {layer: self.digest(name) for layer, name in names.items()}

    def digest(self, name: str) -> str:
        """Digest of one table's rows."""
        with local_files(self.base / name) as folder:
            return contents(folder.parent, folder.name, "")

    def files(self) -> set[str]:
        """Names of all files but the records and pages of runs, which are new after each."""
        found = self.base.files_below()
        return {name for name in found if not name.startswith(("runs/", "reports/"))}

    def _road(self) -> list[str]:
        flags = ("--cache", str(self.folder / "cache"), "--registry", self.registry)
        command = [*self.checkout.command(Path("unused"), *flags)]
        command[command.index("unused")] = self.root
        return command

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return run(command, self.checkout.folder, self.environment)


def run(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run to the end, well."""
    done = _run(command, folder, environment)
    assert done.returncode == 0, done.stderr
    return done


def _run(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )


def summary(said: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Give the one JSON line of a command."""
    (line,) = said.stdout.splitlines()
    return json.loads(line)
