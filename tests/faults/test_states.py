"""Five hundred states that a kill can leave; from each the run comes to the undisturbed end.

A state is a copy of the folder, made while every process waits before a call that would change it:
what a SIGKILL at that moment leaves. It is moved to the folder's own path and gone on with in a
process that is warm; test_kills.py kills real runs and shows the same of them.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.checkout import Checkout, kill_tree, make_checkout
from tests.faults import recover
from tests.faults.moments import Command, Watch, build
from tests.faults.readers import check_states, last_contents, ledger, read_all
from tests.faults.states import count_calls, draw_moments, keep_states, lay_out
from tests.faults.writers import KINDS

ROOT = Path(__file__).parents[2]
SEED = 41
LAST = "engineer_features"
# how many calls may come at other moments in the second run: files of random names, threads
_ALIKE = 0.9


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("shim"))


def _command(words: list[str], cwd: Path, root: Path, library: Path, watch: Watch) -> Command:
    return Command(words, cwd, root.with_suffix(".log"), watch.environment(library, root))


@pytest.mark.slow
@pytest.mark.proves("F4", "F25", "F33")
@pytest.mark.parametrize(
    ("kind", "count"), [("checkpoints", 130), ("ledger", 130), ("registry", 120)]
)
def test_from_any_state_of_what_is_kept_without_spark_the_writer_goes_on_to_the_same_end(
    tmp_path: Path, library: Path, kind: str, count: int, record_property: Any
) -> None:
    root, watch = tmp_path / "kept", Watch(tmp_path / "shared")
    words = [sys.executable, "-m", "tests.faults.writers", kind, str(root)]
    command = _command(words, ROOT, root, library, watch)
    moments = draw_moments(count_calls(command, watch), count, SEED)
    (root).rename(tmp_path / "undisturbed")
    states = keep_states(command, watch, root, moments)
    watch.close()
    written = KINDS[kind]
    seen: list[Any] = []
    for number in lay_out(states, root):
        said = (SEED, kind, moments[number])
        seen.append(written.see(root))
        assert seen[-1] in written.on_the_way, said
        written.write(root)
        assert written.see(root) == written.end, said
    places = [written.on_the_way.index(item) for item in seen]
    assert places == sorted(places)
    assert len(set(places)) > len(written.on_the_way) // 2
    assert len(states) >= _ALIKE * count
    record_property(f"kill points: {kind}", len(states))


@contextmanager
def _walker(checkout: Checkout, log: Path) -> Generator[subprocess.Popen[str]]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, str(Path(recover.__file__))],
            cwd=checkout.folder,
            env={**os.environ, "PYTHONPATH": str(checkout.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill_tree(process)


def _walk(walker: subprocess.Popen[str], root: Path, log: Path) -> None:
    assert walker.stdin is not None
    assert walker.stdout is not None
    walker.stdin.write(f"{root}\t{LAST}\n")
    walker.stdin.flush()
    for line in walker.stdout:
        if line.startswith(recover.SAID):
            return
    raise AssertionError(log.read_text())


@pytest.mark.slow
@pytest.mark.proves("F1", "F2", "F3", "F4")
def test_from_any_state_of_the_steps_of_spark_the_road_leads_to_the_same_tables(
    tmp_path: Path, library: Path, record_property: Any
) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    root, watch = tmp_path / "lake", Watch(tmp_path / "shared")
    words = checkout.command(root, "--until", LAST)
    command = _command(words, checkout.folder, root, library, watch)
    moments = draw_moments(count_calls(command, watch), 120, SEED)
    expected, entries = read_all(root), ledger(root, "parcels")
    root.rename(tmp_path / "undisturbed")
    states = keep_states(command, watch, root, moments)
    watch.close()
    log = tmp_path / "walker.log"
    with _walker(checkout, log) as walker:
        for number in lay_out(states, root):
            said = (SEED, moments[number])
            check_states(root)
            for name, some in read_all(root).items():
                if not name.endswith(("ledger", "measures")):
                    assert set(some) <= set(expected[name]), (said, name)
            _walk(walker, root, log)
            assert last_contents(read_all(root)) == last_contents(expected), said
            assert ledger(root, "parcels") == entries, said
    assert len(states) >= _ALIKE * len(moments)
    record_property("kill points: steps of Spark", len(states))
