"""What all DAGs share: retries, the pool, deadlines, the params that a person sees."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    AsyncCallback,
    BaseOperator,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    chain,
)

from airflow_dags import notices, settings
from airflow_dags.operators import job
from airflow_dags.rendering import Dataset, Task

# one slot: two heavy jobs at once would take each other's memory
POOL = "heavy"
_LATE = "gristmill_deadlines.tell_of_delay"
_LIGHT = ("register",)
_LONGEST_DELAY = timedelta(minutes=30)


def declare(dag_id: str, dataset: Dataset, text: str, params: dict[str, Param], **more: Any) -> DAG:
    """Declare a DAG of one data set; ``text`` says what it does, for who looks at it in the UI."""
    shared = {
        "dataset": Param(dataset.name, const=dataset.name, description="this DAG's data set"),
        "dry_run": Param(
            False, type="boolean", description="say the commands in the logs, do nothing"
        ),
    }
    return DAG(
        dag_id,
        description=f"{dataset.title}: {text.partition('.')[0]}",
        doc_md=text,
        params={**shared, **params},
        max_active_runs=1,
        tags=["gristmill", dataset.name],
        default_args=default_args(dataset),
        deadline=_deadline(dag_id, dataset),
        **{"catchup": False, **more},
    )


def _deadline(dag_id: str, dataset: Dataset) -> DeadlineAlert | None:
    """When people are told that a run is late; 0 hours: never.

    Airflow 3.3.2's ``dag.test()`` fails at the end of a DAG that has a deadline: it takes alerts
    for ids of rows that only the scheduler makes.
    """
    hours = settings.deadline_hours()
    if not hours:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=AsyncCallback(
            _LATE, {"dag": dag_id, "hours": hours, "page": dataset.quality_page}
        ),
    )


def default_args(dataset: Dataset) -> dict[str, Any]:
    """Retries with a delay that doubles, and who is told when they are used up."""
    return {
        "retries": settings.number("retries"),
        "retry_delay": timedelta(seconds=settings.number("retry_delay_s")),
        "retry_exponential_backoff": 2,
        "max_retry_delay": _LONGEST_DELAY,
        "on_failure_callback": notices.tell_of_failure(dataset.quality_page),
    }


def jobs(dataset: Dataset, tasks: Iterable[Task], **options: Any) -> list[BaseOperator]:
    """Declare jobs one after the other; ``options`` of a task stand under its name."""
    made = [job(dataset, task, **_pool(task), **options.get(task.name, {})) for task in tasks]
    chain(*made)
    return made


def schedule_of(dataset: Dataset) -> dict[str, Any]:
    """Give when the data set is prepared: by the contract's intervals, or when somebody asks."""
    said = dataset.schedule
    if said is None:
        return {"schedule": None}
    return {
        # a plain cron text would make intervals of no length
        "schedule": CronDataIntervalTimetable(said.cron, timezone="UTC"),
        "start_date": _time(said.start),
        "end_date": _time(said.end) if said.end else None,
        "catchup": said.catchup,
    }


def _pool(task: Task) -> dict[str, str]:
    return {} if task.name in _LIGHT else {"pool": POOL}


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
