"""A copy of the project with its DAGs, which Airflow runs on the small data set."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.checkout import PROJECT, Checkout, make_checkout

# what set-up has made, and the copy's commands look for beside their own code
_MADE = ("venv", "jars", "spark-conf", "spark-classes.jsa")
_PARTS = ("environment.sh", "java.sh", "airflow/job", "airflow/render")


@dataclass(frozen=True, slots=True)
class ScheduledProject:
    """The copy: its code, and the folder of its tables."""

    checkout: Checkout
    lake: Path

    @property
    def dags(self) -> Path:
        """Give the folder of DAGs."""
        return self.checkout.folder / "airflow_dags"

    def environment(self) -> dict[str, str]:
        """Give what its tasks are told: where the raw files are, and where tables go."""
        raw = self.checkout.folder / "raw"
        sources = [f"{name}={raw / name}.csv" for name in ("parcels", "depots")]
        return {
            "GRISTMILL_LAKE": str(self.lake),
            "GRISTMILL_SOURCES_PARCELS": shlex.join(sources),
            "GRISTMILL_NOTICES": str(self.lake / "notices.jsonl"),
            "GRISTMILL_RETRIES": "0",
        }


def make_project(folder: Path, schedule: str = "") -> ScheduledProject:
    """Copy code and DAGs, add the small data set's contract and raw files, render the DAGs.

    ``schedule`` is what its contract says of one, as Python; without, it has none.
    """
    checkout = make_checkout(folder / "project")
    if schedule:
        contract = checkout.folder / "schemas" / "parcels.py"
        text = contract.read_text().replace(
            "    label=Label(", f"    schedule={schedule},\n    label=Label("
        )
        contract.write_text(
            text.replace("\nSPEC =", "\nfrom schemas.schedule import Schedule\n\nSPEC =")
        )
    infra = checkout.folder / "infra"
    (infra / "airflow").mkdir(parents=True)
    for part in _PARTS:
        shutil.copy(PROJECT / "infra" / part, infra / part)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "airflow_dags", checkout.folder / "airflow_dags", ignore=ignored)
    (checkout.folder / "build").mkdir()
    for name in _MADE:
        (checkout.folder / "build" / name).symlink_to(PROJECT / "build" / name)
    render = [str(infra / "airflow" / "render")]
    subprocess.run(render, check=True, timeout=300, env=os.environ, stdout=subprocess.DEVNULL)
    return ScheduledProject(checkout, folder / "lake")
