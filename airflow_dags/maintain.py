"""``maintain_tables_<dataset>``: compact tables, drop files that no kept version needs."""

from datetime import UTC, datetime

from airflow.sdk import DAG, CronDataIntervalTimetable

from airflow_dags.declare import declare, jobs
from airflow_dags.rendering import Dataset

_TEXT = """Compact small files of all tables, and drop files that no version needs any more.

Versions that a registered model or a step's record is pinned to are kept. Each week; one at a time
with all other heavy jobs.
"""
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def maintain(dataset: Dataset) -> DAG:
    """Declare the DAG of one data set."""
    weekly = CronDataIntervalTimetable("0 4 * * 0", timezone="UTC")
    with declare(
        f"maintain_tables_{dataset.name}", dataset, _TEXT, {}, schedule=weekly, start_date=_FIRST
    ) as dag:
        jobs(dataset, dataset.part("maintain"))
    return dag
