"""Write the road of every data set down as one JSON file, for a scheduler that can't import it.

Airflow lives in an environment of its own, where nothing of the pipelines is installed: the tasks
of each data set, in their order, with what each takes of which earlier one, are resolved here.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.steps import MAINTAIN, REPORT_QUALITY, STEPS, Step, feeds_of, validation_of
from pipelines.cli import param, parse_params, report_errors
from pipelines.layout import Layout
from schemas.catalog import dataset, datasets
from schemas.contract import DatasetSpec

FORMAT = 1
_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class RenderParams:
    """Render the tasks of every data set in schemas/ for Airflow."""

    output: str = param("JSON file to write", "build/airflow/dags.json")


def render() -> dict[str, Any]:
    """Give the tasks of all data sets, values of JSON only."""
    return {"format": FORMAT, "datasets": [render_dataset(dataset(name)) for name in datasets()]}


def render_dataset(spec: DatasetSpec) -> dict[str, Any]:
    """Give the tasks of one data set, values of JSON only."""
    layout = Layout(str(_ROOT), spec.name)
    is_by_interval = spec.schedule is not None and any(item.interval for item in spec.sources)
    return {
        "name": spec.name,
        "title": spec.title,
        "schedule": asdict(spec.schedule) if spec.schedule else None,
        "is_by_interval": is_by_interval,
        "records": str(layout.steps.relative_to(_ROOT)),
        "quality_page": str((layout.quality_pages / "index.html").relative_to(_ROOT)),
        "tasks": [_task(name, step, spec) for name, step in _tasks()],
    }


def _tasks() -> Iterator[tuple[str, Step]]:
    for step in STEPS:
        yield step.name, step
        if step.layer:
            yield f"validate_{step.layer}", validation_of(step)
    yield REPORT_QUALITY.name, REPORT_QUALITY
    yield MAINTAIN.name, MAINTAIN


def _task(name: str, step: Step, spec: DatasetSpec) -> dict[str, Any]:
    return {
        "name": name,
        "part": step.part,
        "job": f"jobs/{step.name}.py",
        "engine": step.engine,
        "is_gate": step.is_gate,
        "settings": [*step.settings, *step.scheduled],
        "feeds": [asdict(feed) for feed in feeds_of(step, spec)],
    }


def write(output: Path) -> None:
    """Write the rendering at once: who reads it meanwhile sees the old one or the new one."""
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.{os.getpid()}")
    part.write_text(json.dumps(render(), indent=1, sort_keys=True) + "\n")
    part.replace(output)


if __name__ == "__main__":
    params = parse_params(RenderParams)
    with report_errors():
        write(Path(params.output))
        print(json.dumps({"rendered": params.output, "datasets": datasets()}))
