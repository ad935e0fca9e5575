"""No space left, wherever the pipeline writes: one line says so, and what was there stays."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.moments import Watch, build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What one process met that wrote everything, its disk full each time."""
    folder = tmp_path_factory.mktemp("full")
    root = folder / "disk"
    (root / "local").mkdir(parents=True)
    watch = Watch(folder / "shared")
    watch.close()
    options = f"--conf spark.local.dir={root / 'local'} pyspark-shell"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.full_disk", str(root)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYSPARK_SUBMIT_ARGS": options,
            **watch.environment(build(folder), root),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("data", marks=pytest.mark.proves("F15")),
        pytest.param("commit", marks=pytest.mark.proves("F16")),
        pytest.param("shuffle", marks=pytest.mark.proves("F17")),
        pytest.param("quarantine", marks=pytest.mark.proves("F17")),
        pytest.param("ledger", marks=pytest.mark.proves("F17")),
        pytest.param("checkpoint", marks=pytest.mark.proves("F17")),
        pytest.param("registry", marks=pytest.mark.proves("F17")),
    ],
)
def test_a_full_disk_leaves_the_last_good_state_and_the_next_try_succeeds(
    outcomes: dict[str, dict[str, Any]], part: str
) -> None:
    found = outcomes[part]
    assert len(found["said"].splitlines()) == 1
    assert "o space left on" in found["said"]
    assert found["full"] == found["before"]
    assert found["freed"] != found["before"]
