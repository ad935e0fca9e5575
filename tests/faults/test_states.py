"""Five hundred states that a kill can leave; from each the run comes to the undisturbed end.

A state is a copy of the folder, made while every process waits before a call that would change it:
what a SIGKILL at that moment leaves. It is moved to the folder's own path and gone on with in a
process that is warm; test_kills.py kills real runs and shows the same of them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.steps import STEPS
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from tests.end_to_end.checkout import kill_tree, make_checkout
from tests.faults import by_interval, recover
from tests.faults.moments import Command, Watch, build
from tests.faults.readers import check_readable, last_contents, ledger, read_all
from tests.faults.states import count_calls, draw_moments, keep_states, lay_out
from tests.faults.writers import KINDS

ROOT = Path(__file__).parents[2]
SEED = 41
LAST = "engineer_features"
# the second run may make a few calls less: threads take turns otherwise
_ALIKE = 0.97


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("shim"))


def _command(words: list[str], cwd: Path, root: Path, library: Path, watch: Watch) -> Command:
    return Command(words, cwd, root.with_suffix(".log"), watch.environment(library, root))


@contextmanager
def _server(
    words: list[str], cwd: Path, log: Path, environment: Mapping[str, str]
) -> Generator[subprocess.Popen[str]]:
    """A process that answers a line of stdin with a line of stdout."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            with process:
                yield process
                kill_tree(process)
        finally:
            kill_tree(process)


def _ask(server: subprocess.Popen[str], said: str, begin: str, log: Path) -> str:
    """Give the rest of the next line of stdout with that begin."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{said}\n")
    server.stdin.flush()
    for line in server.stdout:
        if line.startswith(begin):
            return line
    raise AssertionError(log.read_text())


def _states(
    tmp_path: Path, library: Path, words: list[str], count: int
) -> tuple[Path, list[int], list[Path]]:
    """Give the folder, and the moments and states of a run that was stopped ``count`` times."""
    root, watch = tmp_path / "kept", Watch(tmp_path / "shared")
    command = _command([*words, str(root)], ROOT, root, library, watch)
    moments = draw_moments(count_calls(command, watch), count, SEED)
    root.rename(tmp_path / "undisturbed")
    states = keep_states(command, watch, root, moments)
    watch.close()
    assert len(states) >= _ALIKE * count
    return root, moments, states


def _check_order(seen: list[Any], on_the_way: tuple[Any, ...]) -> None:
    """What is seen never goes back, and most of what can be seen is."""
    places = [on_the_way.index(item) for item in seen]
    assert places == sorted(places)
    assert len(set(places)) > len(on_the_way) // 2


@pytest.mark.slow
@pytest.mark.proves("F4", "F25")
@pytest.mark.parametrize(("name", "count"), [("checkpoints", 140), ("ledger", 200)])
def test_from_any_state_of_checkpoints_and_ledger_the_writer_goes_on_to_the_same_end(
    tmp_path: Path, library: Path, name: str, count: int, record_property: Any
) -> None:
    words, kind = [sys.executable, "-m", "tests.faults.writers", name], KINDS[name]
    root, moments, states = _states(tmp_path, library, words, count)
    seen: list[Any] = []
    for number in lay_out(states, root):
        said = (SEED, name, moments[number])
        seen.append(kind.see(root))
        assert seen[-1] in kind.on_the_way, said
        kind.write(root)
        assert kind.see(root) == kind.end, said
    _check_order(seen, kind.on_the_way)
    record_property(f"kill points: {name}", len(states))


@pytest.mark.slow
@pytest.mark.proves("F4", "F33")
def test_from_any_state_of_the_registry_the_writer_goes_on_to_the_same_champion(
    tmp_path: Path, library: Path, record_property: Any
) -> None:
    words, kind = [sys.executable, "-m", "tests.faults.writers", "registry"], KINDS["registry"]
    root, moments, states = _states(tmp_path, library, words, 110)
    seen: list[Any] = []
    log = tmp_path / "server.log"
    with _server([*words, "--serve"], ROOT, log, {}) as server:
        for number in lay_out(states, root):
            said = (SEED, "registry", moments[number])
            before, after = json.loads(_ask(server, str(root), "[", log))
            assert before in kind.on_the_way, said
            assert after == kind.end, said
            seen.append(before)
    _check_order(seen, kind.on_the_way)
    record_property("kill points: registry", len(states))


def _layer(step: str) -> str:
    return next(item.layer or "" for item in STEPS if item.name == step)


def _under_way(root: Path) -> str:
    """Give the first step that is not done, or not yet checked."""
    for step in STEPS:
        done = [*root.glob(f"parcels/steps/validate-{step.layer}-*.json")]
        if not done or step.name == LAST:
            return step.name
    return LAST


def _up_to(until: str) -> set[str]:
    """Give the names of the steps up to ``until``, and of their checks."""
    known = STEPS[: [step.name for step in STEPS].index(until) + 1]
    return {name for step in known for name in (step.name, f"validate-{step.layer}")}


@pytest.mark.slow
@pytest.mark.proves("F1", "F2", "F3", "F4")
def test_from_any_state_of_the_steps_of_spark_the_road_leads_to_the_same_tables(
    tmp_path: Path, library: Path, record_property: Any
) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    root, watch = tmp_path / "lake", Watch(tmp_path / "shared")
    words = checkout.command(root, "--until", LAST)
    command = _command(words, checkout.folder, root, library, watch)
    moments = draw_moments(count_calls(command, watch), 70, SEED)
    expected, entries = read_all(root), ledger(root, "parcels")
    wanted = last_contents(expected)
    root.rename(tmp_path / "undisturbed")
    states = keep_states(command, watch, root, moments)
    watch.close()
    assert len(states) >= _ALIKE * len(moments)
    log, walker = tmp_path / "walker.log", [sys.executable, str(Path(recover.__file__))]
    folder = {"PYTHONPATH": str(checkout.folder)}
    with _server(walker, checkout.folder, log, folder) as server:
        for number in lay_out(states, root):
            said = (SEED, moments[number])
            check_readable(root, expected)
            until = _under_way(root)
            _ask(server, f"{root}\t{until}", recover.SAID, log)
            found, done = last_contents(read_all(root)), _up_to(until)
            assert found == {name: wanted[name] for name in found}, said
            assert _layer(until) in {Path(name).parent.name for name in found}, said
            wanted_entries = [entry for entry in entries if json.loads(entry[0]) in done]
            assert ledger(root, "parcels") == wanted_entries, said
    record_property("kill points: steps of Spark", len(states))


@pytest.mark.slow
@pytest.mark.proves("F3", "F4")
def test_from_any_state_of_intervals_and_upkeep_the_same_rows_are_reached(
    spark: SparkSession, tmp_path: Path, library: Path, record_property: Any
) -> None:
    words = [sys.executable, "-m", "tests.faults.by_interval"]
    root, moments, states = _states(tmp_path, library, words, 20)
    java: Any = spark._jvm
    wanted: list[list[tuple[Any, ...]]] = []
    for number in range(-1, len(states)):
        shutil.rmtree(root)
        (states[number] if number >= 0 else tmp_path / "undisturbed").rename(root)
        # the folder below is not the one that Delta has read before
        java.org.apache.spark.sql.delta.DeltaLog.clearCache()
        made = map(parse_version, by_interval.go(spark, root))
        found = [sorted(map(tuple, _bare(read_table(spark, table)))) for table in made]
        wanted = wanted or found
        assert found == wanted, (SEED, moments[number])
    assert list(map(len, wanted)) == [2, 2]
    record_property("kill points: intervals and upkeep", len(states))


def _bare(table: DataFrame) -> list[Any]:
    return table.drop("settled_at", "event_time").collect()
