"""Java processes that commit to Delta logs by a log store alone, without Spark."""

import os
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = "gristmill.LinkLogStore"
DEFAULT = "io.delta.storage.HDFSLogStore"


@dataclass(frozen=True, slots=True)
class Ack:
    """A commit that a writer was told is done: its version, its name, and what it took."""

    version: int
    name: str
    micros: int


def _class_path() -> str:
    lines = (ROOT / "build" / "spark-conf" / "spark-defaults.conf").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("spark.driver.extraClassPath"))


def compile_loop(folder: Path) -> Path:
    """Compile CommitLoop.java into ``folder``."""
    source = Path(__file__).parent / "CommitLoop.java"
    javac = ["bash", "-c", f'source "{ROOT}/infra/java.sh"; echo "$(find_javac)/bin/javac"']
    found = subprocess.run(javac, capture_output=True, text=True, check=True).stdout.strip()
    command = [found, "--release", "17", "-proc:none", "-cp", _class_path(), "-d", str(folder)]
    subprocess.run([*command, str(source)], check=True)
    return folder


class CommitLoop:
    """One such process."""

    def __init__(self, classes: Path, environment: dict[str, str]) -> None:
        archive = ROOT / "build" / "spark-classes.jsa"
        options = ["-XX:+UseSerialGC", "-Xmx128m", f"-XX:SharedArchiveFile={archive}"]
        options += ["-Xlog:disable", "-Xlog:all=error:stderr", "-cp", f"{_class_path()}:{classes}"]
        java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
        self.process = subprocess.Popen(
            [java, *options, "CommitLoop"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        """Wait until it can commit at once."""
        assert self._line() == "ready"

    def begin(self, log: Path, name: str, count: int = 1, **wanted: str) -> None:
        """Have it commit ``name-0``, ``name-1`` ... to ``log``.

        Args:
            log: Folder of the log, without a space in its path.
            name: Of the writer.
            count: Commits to make.
            wanted: ``store``, a class; ``added``, the data file that each commit adds.
        """
        words = [wanted.get("store", OURS), name, str(count), str(log), wanted.get("added", "")]
        assert self.process.stdin
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def acks(self) -> list[Ack]:
        """Wait until it is done and give what it was told."""
        found: list[Ack] = []
        for line in iter(self._line, "done"):
            word, version, name, micros = line.split()
            assert word == "acked"
            found.append(Ack(int(version), name, int(micros)))
        return found

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"CommitLoop ended with {self.process.wait()}"
        return line.strip()


@contextmanager
def commit_loops(
    classes: Path, environments: Sequence[dict[str, str]]
) -> Generator[list[CommitLoop]]:
    """Start one process for each environment, all ready; end them."""
    loops = [CommitLoop(classes, variables) for variables in environments]
    try:
        for loop in loops:
            loop.wait_ready()
        yield loops
    finally:
        for loop in loops:
            loop.close()


def committed(log: Path) -> dict[int, str]:
    """Name of each commit in the log, by version."""
    found: dict[int, str] = {}
    for path in sorted(log.glob("[0-9]*.json")):
        text = path.read_text()
        found[int(path.stem)] = text.partition('"appId":"')[2].partition('"')[0]
    return found
