"""VACUUM while a training reads: upkeep leaves its files alone; forced, the training stops."""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

import pipelines.maintain as module
from pipelines.cli import to_flags
from pipelines.maintain import MaintainParams
from pipelines.train import TrainParams, trained
from pipelines.training.checkpoint import Checkpoints
from tests.end_to_end.checkout import kill_tree
from tests.pipelines.loading.tables import rows
from tests.pipelines.test_train import STATE

ROOT = Path(__file__).parents[2]
_EPOCHS = 10_000  # it is stopped long before


def _write_features(path: Path) -> None:
    """Two versions that share no file."""
    for seed in (1, 2):
        split = {"train": rows(500, seed=seed), "validation": rows(300, seed=seed + 2)}
        parts = [
            table.append_column("split", pa.array([name] * table.num_rows))
            for name, table in split.items()
        ]
        table = pa.concat_tables(parts)
        write_deltalake(str(path), table, mode="overwrite", partition_by=["split"])


def _make_params(folder: Path, features: Path) -> TrainParams:
    features.mkdir(parents=True)
    _write_features(features)
    state = folder / "state.json"
    state.write_text(json.dumps(STATE))
    return TrainParams(
        "toy",
        f"{features}@v0",
        str(state),
        str(folder / "lake"),
        _EPOCHS,
        48,
        patience=0,
        hidden=(8,),
        checkpoint_steps=5,
    )


def _epochs(lines: IO[str], count: int) -> None:
    """Wait until so many more epochs are done."""
    for _ in range(count):
        next(line for line in lines if f"/{_EPOCHS}" in line)


@pytest.mark.proves("F9")
def test_upkeep_leaves_what_a_training_reads_and_a_forced_vacuum_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = tmp_path / "lake" / "toy" / "features" / "toy"
    params = _make_params(tmp_path, features)
    monkeypatch.setattr(module, "dataset", lambda name: type("Spec", (), {"name": name}))
    command = [sys.executable, str(ROOT / "jobs" / "train.py"), "--np", "1", *to_flags(params)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as job:
        try:
            assert job.stderr
            _epochs(job.stderr, 2)
            done = module.run(_no_spark, MaintainParams("toy", params.root, 0))
            assert done.removed == 0
            assert [*done.tables[0].protected] == ["v0"]
            # epochs that are read from now on, not ahead
            _epochs(job.stderr, 5)
            removed = DeltaTable(str(features)).vacuum(
                0, dry_run=False, enforce_retention_duration=False
            )
            assert len(removed) == 2
            said = job.stderr.read()
        finally:
            kill_tree(job)
    assert job.returncode == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "make the table again" in last
    assert any(name in last for name in removed)
    assert trained(params) is None
    (folder,) = (tmp_path / "lake" / "toy" / "trainings").iterdir()
    assert not (folder / "model.keras").exists()
    kept = Checkpoints(folder / "checkpoints").load("last")
    assert kept
    assert kept[1].epoch >= 7


def _no_spark() -> SparkSession:
    raise AssertionError("no file is to be joined")
