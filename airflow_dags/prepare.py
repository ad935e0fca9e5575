"""``prepare_<dataset>``: from raw files to a features table, each table checked before the next."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from airflow_dags import handover
from airflow_dags.declare import declare, jobs, schedule_of
from airflow_dags.rendering import Dataset

_TEXT = """Make the features table: ingest, deduplicate, split, impute, engineer features.

A table that breaks its contract stops the run. The event of the asset `features_{name}` carries the
pinned version, the rows by fate and the verdict; `train_{name}` and `score_{name}` start from it.

{when}
"""
_SCHEDULED = (
    "Each scheduled run and each run of a backfill reads its data interval, and replaces just "
    "that in the raw table. A run that a person starts reads all, or the interval of its params."
)
_WHOLE = "Each run reads all there is: no source has an interval in the contract."
_BY_HAND = (
    "**No schedule** in `schemas/{name}.py`: it runs when somebody triggers it, on all there is."
)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def prepare(dataset: Dataset) -> DAG:
    """Declare the DAG of one data set."""
    when = _SCHEDULED if dataset.is_by_interval else _WHOLE if dataset.schedule else _BY_HAND
    text = _TEXT.format(name=dataset.name, when=when.format(name=dataset.name))
    params = {name: _time(name) for name in ("interval_start", "interval_end")}
    with declare(f"prepare_{dataset.name}", dataset, text, params, **schedule_of(dataset)) as dag:
        tasks = dataset.part("prepare")
        made = jobs(
            dataset, tasks, **{tasks[-1].name: {"announces": handover.features(dataset.name)}}
        )
    for item in made:
        # the DAG's end stops its schedule; a task's would make a later run by hand an empty success
        item.end_date = _NEVER
    return dag


def _time(name: str) -> Param:
    text = f"{name} of what to read, UTC; both or none. None: all, or the run's data interval"
    return Param(None, type=["null", "string"], format="date-time", description=text)
