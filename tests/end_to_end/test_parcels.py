"""A data set added by one file: the whole road, twice, and killed on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.steps import STEP_NAMES
from tests.end_to_end.checkout import Checkout, contents
from tests.end_to_end.conftest import Watched
from tests.faults.moments import Watch
from tests.faults.readers import check_readable, last_contents, look_at
from tests.faults.road import MANY, ONE_OF_EACH, Road, draw_kills

SEED = 20_131
TABLES = (
    ("raw", "parcels"),
    ("raw", "depots"),
    ("deduplicated", "parcels"),
    ("split", "parcels"),
    ("imputed", "parcels"),
    ("features", "parcels"),
    ("quarantine", ""),
)


def _record(root: Path) -> dict[str, dict[str, Any]]:
    value = json.loads((root / "parcels" / "runs" / "last.json").read_text())
    return {item["step"]: item for item in value["steps"]}


def _all_contents(root: Path) -> dict[str, str]:
    return {
        f"{layer}/{source}": contents(root, "parcels", layer, source) for layer, source in TABLES
    }


def test_rows_by_fate_add_up_from_the_raw_file_to_the_model(
    undisturbed: tuple[Path, dict[str, Any]],
) -> None:
    root, summary = undisturbed
    steps = _record(root)
    ingest = steps["ingest"]["rows"]["parcels"]
    assert (ingest["read"], ingest["kept"]) == (3060, 3050)
    assert sum(ingest["quarantined"].values()) == 10
    dedup = steps["deduplicate"]["rows"]["parcels"]
    assert (dedup["read"], dedup["kept"], dedup["duplicate"]) == (3050, 3000, 30)
    assert dedup["filtered"] == {"older_version": 20}
    assert steps["engineer_features"]["rows"]["parcels"]["kept"] == 3000
    assert steps["score"]["rows"]["parcels"]["read"] > 0
    assert summary["model"]["is_champion"] is True
    assert Path(summary["report"]).exists()


def test_a_second_run_repeats_nothing(
    checkout: Checkout, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    root, first = undisturbed
    before = _all_contents(root)
    done = checkout.run(root)
    assert done.returncode == 0, done.stderr
    assert all(item["is_reused"] for item in _record(root).values())
    second = json.loads(done.stdout)
    assert second["tables"] == first["tables"]
    assert second["metrics"] == first["metrics"]
    assert _all_contents(root) == before


@pytest.fixture
def road(checkout: Checkout, library: Path, tmp_path: Path) -> Road:
    """A run under a root of its own that is to be killed."""
    return Road(checkout, tmp_path / "killed", library, Watch(tmp_path / "shared"))


@pytest.mark.proves("F1", "F2", "F3", "F4", "F25")
@pytest.mark.parametrize(
    "kills_of_each",
    [
        pytest.param(ONE_OF_EACH, id="in each step"),
        pytest.param(MANY, id="many times", marks=pytest.mark.slow),
    ],
)
def test_killed_again_and_again_it_leaves_what_an_undisturbed_run_does(
    road: Road,
    watched: Watched,
    record_property: Callable[[str, int], None],
    kills_of_each: dict[str, int],
) -> None:
    for step, calls in draw_kills(watched.calls, kills_of_each, SEED):
        road.kill(step, calls)
        check_readable(road.root, watched.left.tables)
    done = road.checkout.run(road.root)
    road.watch.close()
    assert done.returncode == 0, done.stderr
    said = (SEED, road.killed)
    left = look_at(road.root, "parcels")
    assert last_contents(left.tables) == last_contents(watched.left.tables), said
    assert left.ledger == watched.left.ledger, said
    assert left.weights == watched.left.weights, said
    assert json.loads(done.stdout)["metrics"] == watched.summary["metrics"], said
    # where the machine is slow to look, a kill falls into the step after; the last may not come
    assert len(road.killed) >= sum(kills_of_each.values()) - 1, said
    assert len({name.partition(" ")[0] for name in road.killed}) >= len(STEP_NAMES) - 2, said
    record_property("runs killed at numbered calls", len(road.killed))


def test_from_does_a_step_and_the_later_ones_anew_with_the_same_result(
    checkout: Checkout, undisturbed: tuple[Path, dict[str, Any]]
) -> None:
    root, _ = undisturbed
    before = _all_contents(root)
    done = checkout.run(root, "--from", "impute", "--until", "engineer_features")
    assert done.returncode == 0, done.stderr
    steps = _record(root)
    assert not steps["impute"]["is_reused"]
    assert steps["split"]["tables"][0].endswith("@v0")
    assert steps["engineer_features"]["tables"][0].endswith("@v1")
    assert _all_contents(root) == before


MISTAKES = [
    (["--until", "bake"], "--until: expected a step among"),
    (["--np", "0"], "--np: expected 1 or more"),
    (["--restarts", "-1"], "--restarts: expected 0 or more"),
    (["--from", "train", "--until", "ingest"], "--from train comes after --until ingest"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_wrong_flag_is_one_line_and_writes_nothing(
    checkout: Checkout, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = checkout.run(tmp_path / "none", *flags)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none").exists()
