"""Fill the template with one run; the page holds everything it shows and fetches nothing."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.reporting.checks import table_checks
from pipelines.reporting.ensemble import ensemble_rows
from pipelines.reporting.explanation import read_explanation, say_check
from pipelines.reporting.fitted import fitted_tables, say
from pipelines.reporting.headline import make_headline, say_seconds
from pipelines.reporting.model import model_notes, model_rows, plot_images, training_charts
from pipelines.reporting.rows import FATES, row_stages
from pipelines.reporting.run_record import Run
from pipelines.reporting.templates import open_template

_SHOWN_ELSEWHERE = (
    "reports",
    "models",
    "validation",
    "verdict",
    "compared_by",
    "intervals",
    "errors",
    "where_time_went",
    "ensemble",
    "members",
    "members_validation",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the page is about, and where it and the Data Docs stand."""

    dataset: str
    title: str
    question: str
    contract: str
    page_folder: Path
    quality: Path
    software: dict[str, str] = field(default_factory=dict)


def render_page(run: Run, subject: Subject) -> str:
    """Give the page's HTML; parts of a run that are not there are said to be not run."""
    template = open_template(
        "template.html",
        check=say_check,
        number=_number,
        seconds=say_seconds,
        say=say,
        sentence=_sentence,
        short=_short,
    )
    stages = row_stages(run)
    tables = table_checks(run, subject.quality, subject.page_folder)
    evaluation = run.details("evaluate")
    return template.render(
        run=run,
        subject=subject,
        headline=make_headline(run, stages, tables),
        stages=stages,
        fates=FATES,
        tables=tables,
        quality=_quality_page(run, subject),
        models=model_rows(evaluation),
        members=ensemble_rows(evaluation),
        notes=model_notes(evaluation),
        evaluation=evaluation,
        explained=read_explanation(run),
        trained=run.details("train"),
        registered=run.details("register"),
        scored=run.details("score"),
        charts=training_charts(run),
        plots=plot_images(run),
        fitted=fitted_tables(run),
        settings=_settings(run),
    )


def _quality_page(run: Run, subject: Subject) -> str:
    """What leads to the page of the run's checks; empty if there is none."""
    for result in reversed(run.ordered):
        if "quality" in result.files:
            return Path(
                os.path.relpath(result.files["quality"], str(subject.page_folder))
            ).as_posix()
    return ""


def _settings(run: Run) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for result in run.ordered:
        for name, value in flatten(result.details):
            if name.split(".")[0] not in _SHOWN_ELSEWHERE:
                found.append((result.step, name, say(value)))
    return found


def flatten(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Give the leaves of nested objects with dotted names.

    >>> flatten({"a": {"b": 1}, "c": [2]})
    [('a.b', 1), ('c', [2])]
    """
    found: list[tuple[str, Any]] = []
    for name, item in value.items():
        if isinstance(item, dict):
            found += flatten(item, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", item))
    return found


def _number(value: float) -> str:
    return f"{value:,}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _short(path: str) -> str:
    """Last two parts of a path: enough to know a table by."""
    return "/".join(re.split(r"/+", path.rstrip("/"))[-2:])
