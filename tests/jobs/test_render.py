"""What a scheduler is told of the road."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.render import render, render_dataset, write
from jobs.steps import STEPS
from schemas.catalog import dataset, datasets
from schemas.schedule import Schedule
from tests.end_to_end.parcels import SPEC as PARCELS

FLIGHTS = dataset("flights")


def _task(said: dict[str, Any], name: str) -> dict[str, Any]:
    return next(task for task in said["tasks"] if task["name"] == name)


def _feeds(said: dict[str, Any], name: str) -> list[tuple[str, str, str, str]]:
    feeds = _task(said, name)["feeds"]
    return [(feed["flag"], feed["takes"], feed["step"], feed["name"]) for feed in feeds]


def test_each_step_is_a_task_and_each_layer_has_its_gate_right_after_it() -> None:
    names = [task["name"] for task in render_dataset(FLIGHTS)["tasks"]]
    for step in STEPS:
        assert step.name in names
        if step.layer:
            assert names[names.index(step.name) + 1] == f"validate_{step.layer}"
    assert names[-2:] == ["report_quality", "maintain"]


def test_features_are_made_of_the_last_table_of_each_source() -> None:
    assert _feeds(render_dataset(PARCELS), "engineer_features") == [
        ("inputs", "table", "impute", "parcels"),
        ("inputs", "table", "deduplicate", "depots"),
    ]


def test_a_gate_takes_all_tables_of_the_step_before_it() -> None:
    said = render_dataset(FLIGHTS)
    assert _feeds(said, "validate_imputed") == [("inputs", "tables", "impute", "")]
    assert [task["name"] for task in said["tasks"] if task["is_gate"]] == [
        *(f"validate_{step.layer}" for step in STEPS if step.layer),
        "report_quality",
    ]


def test_every_flag_of_a_task_is_one_that_its_job_has() -> None:
    from pipelines.cli import make_parser  # noqa: PLC0415  the others need none of it

    for name in datasets():
        for task in render_dataset(dataset(name))["tasks"]:
            job = Path(task["job"]).stem
            module = __import__(f"pipelines.{job}", fromlist=["run"])
            kind = getattr(module, f"{job.title().replace('_', '')}Params")
            known = {action.dest for action in make_parser(kind)._actions}
            wanted = {*task["settings"], *(feed["flag"] for feed in task["feeds"])}
            assert wanted <= known, task["name"]
            assert (Path(__file__).parents[2] / task["job"]).is_file()


def test_only_a_schedule_makes_intervals() -> None:
    daily = Schedule("@daily", "2024-01-01")
    assert render_dataset(replace(PARCELS, schedule=daily))["is_by_interval"] is True
    assert render_dataset(replace(PARCELS, schedule=None))["is_by_interval"] is False
    whole = tuple(replace(source, interval="") for source in PARCELS.sources)
    assert (
        render_dataset(replace(PARCELS, schedule=daily, sources=whole))["is_by_interval"] is False
    )


def test_the_file_holds_what_is_rendered_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "made" / "dags.json")
    assert json.loads((tmp_path / "made" / "dags.json").read_text()) == render()
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["dags.json"]
