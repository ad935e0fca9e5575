"""Read what ``jobs.render`` wrote: the tasks of each data set, as frozen values.

Parsing must cost nothing: one small file is read, and no library of the pipelines.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1


class RenderingError(Exception):
    """There is no rendering, or one of another release: expected, came, what to do."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A flag of a task, and what of an earlier task's result it takes (see ``jobs.steps``)."""

    flag: str
    takes: str
    step: str
    name: str
    is_list: bool


@dataclass(frozen=True, slots=True)
class Task:
    """One job of a data set: program, where its flags come from, which DAG it belongs to."""

    name: str
    part: str
    job: str
    engine: str
    is_gate: bool
    settings: tuple[str, ...]
    feeds: tuple[Feed, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When new data arrive, as the contract says."""

    cron: str
    start: str
    end: str
    catchup: bool


@dataclass(frozen=True, slots=True)
class Dataset:
    """All that Airflow knows of a data set."""

    name: str
    title: str
    schedule: Schedule | None
    is_by_interval: bool
    records: str
    quality_page: str
    tasks: tuple[Task, ...]

    def part(self, name: str) -> tuple[Task, ...]:
        """Tasks of one DAG, in their order."""
        return tuple(task for task in self.tasks if task.part == name)


def read_rendering(path: Path) -> tuple[Dataset, ...]:
    """Give all data sets.

    Raises:
        RenderingError: The file is missing, damaged or of another format.
    """
    advice = "Run infra/airflow/render, which writes it from schemas/"
    try:
        said: Any = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RenderingError(f"{path}: expected the rendered DAGs; {error}. {advice}") from error
    try:
        if said["format"] != FORMAT:
            raise RenderingError(
                f"{path}: expected format {FORMAT}; got {said['format']!r}. {advice}"
            )
        return tuple(_dataset(value) for value in said["datasets"])
    except (KeyError, TypeError) as error:
        raise RenderingError(f"{path}: expected other fields; {error!r}. {advice}") from error


def _dataset(value: dict[str, Any]) -> Dataset:
    schedule = Schedule(**value["schedule"]) if value["schedule"] else None
    tasks = tuple(_task(task) for task in value["tasks"])
    said: dict[str, Any] = {**value, "schedule": schedule, "tasks": tasks}
    return Dataset(**said)


def _task(value: dict[str, Any]) -> Task:
    feeds = tuple(Feed(**feed) for feed in value["feeds"])
    said: dict[str, Any] = {**value, "feeds": feeds, "settings": tuple(value["settings"])}
    return Task(**said)
