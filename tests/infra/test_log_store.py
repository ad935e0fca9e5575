"""Delta's log store for local disks: no commit is lost between processes, and what is said is kept.

The processes are Java machines that commit by the store alone; delay.c holds their calls.
"""

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.preload import Hold, build_shim, preloaded
from tests.infra.commit_loops import (
    DEFAULT,
    ROOT,
    CommitLoop,
    commit_loops,
    committed,
    compile_loop,
)

OURS = "gristmill.LinkLogStore"


class Writers(NamedTuple):
    """Four processes; the first can be held, and says what calls it made."""

    loops: list[CommitLoop]
    hold: Hold
    calls: Path


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writers]:
    folder = tmp_path_factory.mktemp("writers")
    classes, shim = compile_loop(folder), build_shim(folder)
    hold, calls = Hold(folder / "hold"), folder / "calls"
    disturbed: Any = {"calls": "link,rename", "names": "/_delta_log/0", "delay_ms": 8}
    environments = [
        preloaded(shim, **disturbed, delay_seed=1, hold=str(hold.path), calls_log=str(calls)),
        *[preloaded(shim, **disturbed, delay_seed=seed) for seed in (2, 3, 4)],
    ]
    with commit_loops(classes, environments) as loops:
        yield Writers(loops, hold, calls)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "t" / "_delta_log"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.proves("F5")
@pytest.mark.parametrize("num_writers", [2, 4])
def test_each_acknowledged_commit_is_there_once_with_its_own_content(
    writers: Writers, log: Path, num_writers: int
) -> None:
    loops = writers.loops[:num_writers]
    for number, loop in enumerate(loops):
        loop.begin(log, f"w{number}", 25)
    acks = [ack for loop in loops for ack in loop.acks()]
    names = {f"w{number}-{i}" for number in range(num_writers) for i in range(25)}
    assert {ack.version: ack.name for ack in acks} == committed(log)
    assert sorted(committed(log)) == list(range(25 * num_writers))
    assert set(committed(log).values()) == names
    assert [path.name for path in log.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.proves("F5")
@pytest.mark.parametrize(("store", "kept"), [(OURS, {"a-0", "b-0"}), (DEFAULT, {"a-0"})])
def test_a_writer_that_was_held_before_its_commit_replaces_no_other(
    writers: Writers, log: Path, store: str, kept: set[str]
) -> None:
    # Delta's own store is here to show that the barrier stands where commits can be lost: both
    # writers are told that version 0 is theirs
    late, early = writers.loops[:2]
    with writers.hold.held(late.process, lambda: late.begin(log, "a", store=store)):
        early.begin(log, "b", store=store)
        (first,) = early.acks()
    (second,) = late.acks()
    assert (first.version, first.name, second.name) == (0, "b-0", "a-0")
    assert set(committed(log).values()) == kept


@pytest.mark.proves("F36")
def test_a_commit_is_on_the_disk_before_it_is_acknowledged(writers: Writers, log: Path) -> None:
    loop = writers.loops[0]
    loop.begin(log, "a", 2)
    loop.acks()
    done = _calls(writers, log.parent.parent)
    first, second = (("link", str(log / f"{version:020d}.json")) for version in (0, 1))
    before, between = done[: done.index(first)], done[done.index(first) + 1 : done.index(second)]
    assert [call for call, _ in before] == ["fsync", "fsync"]
    assert all(name.startswith(f"{log}/.{0:020d}.json.") for _, name in before)
    folders = [name for call, name in between if call == "fsync"]
    assert folders[:3] == [str(log), str(log.parent), str(log.parent.parent)]
    after = done[done.index(second) + 1 :]
    assert [name for call, name in after if call == "fsync"] == [str(log)]


@pytest.mark.proves("F36")
def test_the_data_of_a_commit_is_on_the_disk_before_the_commit_is(
    writers: Writers, log: Path
) -> None:
    table = log.parent
    data = table / "day=1%3A2" / "part 0.parquet"
    data.parent.mkdir()
    data.write_bytes(b"rows")
    loop = writers.loops[0]
    loop.begin(log, "a", added="day=1%253A2/part%200.parquet")
    loop.acks()
    done = _calls(writers, log.parent.parent)
    assert done[:3] == [("fsync", str(path)) for path in (data, data.parent, table)]
    assert ("link", str(log / f"{0:020d}.json")) in done[3:]


def test_the_checksums_of_a_commit_are_those_that_hadoop_verifies(
    writers: Writers, log: Path
) -> None:
    loop = writers.loops[0]
    loop.begin(log, "x" * 1000)
    loop.acks()
    content = (log / f"{0:020d}.json").read_bytes()
    assert len(content) > 2000
    chunks = [content[start : start + 512] for start in range(0, len(content), 512)]
    sums = b"".join(zlib.crc32(chunk).to_bytes(4, "big") for chunk in chunks)
    found = (log / f".{0:020d}.json.crc").read_bytes()
    assert found == b"crc\0" + (512).to_bytes(4, "big") + sums


def test_no_compiler_is_said_in_one_line_with_what_to_install(tmp_path: Path) -> None:
    """A mere JRE runs Spark and compiles nothing."""
    jre = tmp_path / "jvm" / "java-17"
    (jre / "bin").mkdir(parents=True)
    java = jre / "bin" / "java"
    java.write_text("#!/usr/bin/bash\necho 'openjdk version \"17.0.15\"' >&2\n")
    java.chmod(0o755)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "cat", "cut", "dirname", "head", "readlink", "sed", "sha256sum"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    (tools / "id").write_text("#!/usr/bin/bash\necho 1000\n")
    (tools / "id").chmod(0o755)
    script = f'source "{ROOT}/infra/environment.sh"; source "{ROOT}/infra/steps.sh"; '
    done = subprocess.run(
        ["/usr/bin/bash", "-c", script + "has_java && do_log_store"],
        env={"PATH": str(tools), "GRISTMILL_JVM_FOLDER": str(tmp_path / "jvm")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Java compiler (javac, jar): not found" in done.stderr
    assert "sudo apt-get install openjdk-17-jdk-headless" in done.stderr


def _calls(writers: Writers, below: Path) -> list[tuple[str, str]]:
    """Give the calls that the first writer made for one test, in their order."""
    lines = [line.partition(" ")[::2] for line in writers.calls.read_text().splitlines()]
    return [(call, name) for call, name in lines if name.startswith(str(below))]
