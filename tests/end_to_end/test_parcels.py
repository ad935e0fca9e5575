"""A data set added by one file: the whole road, twice, and killed on the way."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.checkout import Checkout, contents

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


def test_killed_anywhere_and_run_again_it_leaves_the_tables_of_an_undisturbed_run(
    checkout: Checkout, undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root = tmp_path / "killed"
    base = root / "parcels"

    def has(pattern: str) -> bool:
        return any(base.glob(pattern))

    # during ingest: data files are there, their commit is not
    checkout.kill_when(root, lambda: has("raw/parcels/*.parquet"))
    # between two steps: the record of one is written, the next has begun at most
    checkout.kill_when(root, lambda: has("steps/split-*.json"))
    # during a Delta write of a later table
    checkout.kill_when(root, lambda: has("features/parcels/split=*/*.parquet"))
    # during training: after the first checkpoint
    checkout.kill_when(root, lambda: has("trainings/*/checkpoints/*.json"))
    assert not has("steps/train-*.json")
    done = checkout.run(root)
    assert done.returncode == 0, done.stderr
    expected_root, expected = undisturbed
    assert _all_contents(root) == _all_contents(expected_root)
    assert json.loads(done.stdout)["metrics"] == expected["metrics"]


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
