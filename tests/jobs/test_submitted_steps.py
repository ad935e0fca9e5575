"""Each step as a program of its own: spark-submit for Spark, stock horovodrun for training."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.checkout import Checkout, make_checkout

pytestmark = pytest.mark.slow


class _Road:
    """Submits one step after the other and hands on what the last one printed."""

    def __init__(self, checkout: Checkout, root: Path) -> None:
        self.raw, self.records = checkout.folder / "raw", root / "parcels" / "steps"
        self._folder, self._root = checkout.folder, root
        self._environment = {**os.environ, "PYTHONPATH": str(checkout.folder)}

    def submit(self, step: str, *flags: str, launcher: tuple[str, ...] = ()) -> dict[str, Any]:
        done = self.try_to(step, *flags, launcher=launcher)
        assert done.returncode == 0, done.stderr[-3000:]
        # under horovodrun each line of a rank stands behind the rank's number
        line = done.stdout.strip().splitlines()[-1]
        return json.loads(line[line.index("{") :])

    def passed(self, step: str, inputs: Sequence[str]) -> dict[str, Any]:
        """Take a step and check its tables: the next one reads what has passed only."""
        made = self.submit(step, "--inputs", *inputs)
        self.submit("validate", "--inputs", *made["tables"])
        return made

    def try_to(
        self, step: str, *flags: str, launcher: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        common = ("--dataset", "parcels", "--root", str(self._root))
        return subprocess.run(
            [*(launcher or ("spark-submit",)), f"jobs/{step}.py", *common, *flags],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> _Road:
    return _Road(
        make_checkout(tmp_path_factory.mktemp("submitted")), tmp_path_factory.mktemp("lake")
    )


def test_the_whole_road_step_by_step(road: _Road) -> None:
    places = [f"{name}={road.raw / name}.csv" for name in ("parcels", "depots")]
    ingested = road.submit("ingest", "--sources", *places)
    assert ingested["rows"]["parcels"]["kept"] == 3050
    assert len(road.submit("validate", "--inputs", *ingested["tables"])["details"]["reports"]) == 2
    parcels, depots = road.passed("deduplicate", ingested["tables"])["tables"]
    split = road.passed("split", [parcels])["tables"]
    imputed = road.passed("impute", split)
    engineered = road.passed("engineer_features", [*imputed["tables"], depots])
    features = ("--features", engineered["tables"][0])
    state = ("--state", engineered["files"]["state"])
    trained = road.submit(
        "train", *features, *state, launcher=("horovodrun", "-np", "2", "--gloo", "python")
    )
    assert trained["details"]["ranks"] == 2
    model = ("--model", trained["files"]["model"])
    evaluated = road.submit("evaluate", *features, *state, *model, launcher=("python",))
    assert 0.5 < evaluated["details"]["models"]["network"]["roc_auc"] <= 1
    metrics = ("--metrics", evaluated["files"]["metrics"])
    record = road.records / f"train-{trained['fingerprint']}.json"
    registered = road.submit(
        "register", *features, *state, *model, *metrics, "--training", str(record),
        launcher=("python",),
    )  # fmt: skip
    assert registered["details"]["is_champion"]
    scored = road.submit("score", *features)
    assert scored["rows"]["parcels"]["kept"] == evaluated["details"]["rows"]["test"]
    steps = [str(path) for path in sorted(road.records.glob("*.json"))]
    page = road.submit("report", "--steps", *steps, launcher=("python",))["files"]["report"]
    assert "ROC AUC" in Path(page).read_text()


def test_a_step_that_fails_has_no_exit_code_0_and_one_line(road: _Road, tmp_path: Path) -> None:
    done = road.try_to("split", "--inputs", f"{tmp_path}/nothing@v0")
    assert done.returncode != 0
    # spark-submit joins a Python program's stderr to its stdout
    assert "error: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
