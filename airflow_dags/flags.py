"""Make the flags of a job: of its settings, of the run's params, of earlier jobs' lines."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_dags import settings
from airflow_dags.handover import Result
from airflow_dags.rendering import Dataset, Feed, Task

_BY_INTERVAL = ("scheduled", "backfill")


def flags_of(
    of: tuple[Dataset, Task],
    results: Mapping[str, Result],
    context: Any,
    said: tuple[str, tuple[str, ...]],
) -> list[str]:
    """Give the flags of the job ``of`` a data set.

    Args:
        of: Data set and task.
        results: Lines of earlier jobs, by task.
        context: Airflow's context of the task.
        said: Address of the registry, and the params of the DAG that are flags of the job.

    Raises:
        AirflowFailException: An earlier result lacks what is needed, or the interval is wrong.
    """
    dataset, task = of
    address, asks = said
    root = settings.place("lake")
    flags = ["--dataset", dataset.name, "--root", root]
    if "sources" in task.settings and (places := settings.sources(dataset.name)):
        flags += ["--sources", *places]
    if "registry" in task.settings and address:
        flags += ["--registry", address]
    if "run" in task.settings:
        flags += ["--run", context["dag_run"].run_id]
    if "interval_start" in task.settings and (interval := interval_of(dataset, context)):
        flags += ["--interval-start", interval[0], "--interval-end", interval[1]]
    for name in asks:
        flags += [f"--{name.replace('_', '-')}", str(context["params"][name])]
    is_dry = bool(context["params"].get("dry_run"))
    values: dict[str, list[str]] = {}
    for feed in task.feeds:
        taken = _placeholder(feed) if is_dry else _take(feed, results, f"{root}/{dataset.records}")
        values.setdefault(feed.flag, []).extend(taken)
    for flag, taken in values.items():
        flags += [f"--{flag.replace('_', '-')}", *taken]
    return flags


def interval_of(dataset: Dataset, context: Any) -> tuple[str, str] | None:
    """Give the interval to read, half-open, UTC; None reads all there is.

    A scheduled run or one of a backfill reads its data interval; one that a person has started,
    the interval of its params, or all.

    Raises:
        AirflowFailException: The interval is no interval, or the data set has none.
        AirflowSkipException: The scheduler has made a run after the end of the schedule.
    """
    run, params = context["dag_run"], context["params"]
    given = (params.get("interval_start"), params.get("interval_end"))
    if any(given):
        _require_intervals(dataset)
        start, end = (_time(text) for text in given)
    elif dataset.is_by_interval and str(run.run_type).rpartition(".")[2].lower() in _BY_INTERVAL:
        start, end = run.data_interval_start, run.data_interval_end
        _skip_after_the_end(dataset, start)
    else:
        return None
    if not start or not end or start >= end:
        raise AirflowFailException(
            f"expected interval_start < interval_end, both given, like 2013-01-01T00:00:00Z; got "
            f"{given[0]} and {given[1]}"
        )
    return start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat()


def _skip_after_the_end(dataset: Dataset, start: datetime | None) -> None:
    """Airflow goes on scheduling while any task ends later than its DAG, and ours end never."""
    last = _time(dataset.schedule.end) if dataset.schedule else None
    if last and start and start >= last:
        raise AirflowSkipException(
            f"{dataset.name}: its schedule ended with {last.isoformat()}; the interval from "
            f"{start.isoformat()} on is not read"
        )


def _require_intervals(dataset: Dataset) -> None:
    if dataset.is_by_interval:
        return
    why = "no schedule" if dataset.schedule is None else "no source with an interval"
    raise AirflowFailException(
        f"{dataset.name}: expected no interval, since the contract has {why}; got one. Trigger the "
        f"run without it, or add what lacks in schemas/{dataset.name}.py"
    )


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _placeholder(feed: Feed) -> list[str]:
    return [f"<{feed.name} {feed.takes} of {feed.step}>".replace("< ", "<")]


def _take(feed: Feed, results: Mapping[str, Result], records: str) -> list[str]:
    try:
        result = results[feed.step]
        if feed.takes == "record":
            return [f"{records}/{result['step']}-{result['fingerprint']}.json"]
        if feed.takes == "file":
            return [result["files"][feed.name]]
        tables = result["tables"]
        if feed.takes == "tables":
            return list(tables)
        return [tables[0] if not feed.name else _named(tables, feed.name)]
    except (KeyError, IndexError, StopIteration) as error:
        what = f"{feed.name} {feed.takes}".strip()
        raise AirflowFailException(
            f"--{feed.flag}: expected the {what} of {feed.step}; its line, as handed on here, has "
            f"none. Found results of {sorted(results)}. Run the DAG from {feed.step} on"
        ) from error


def _named(tables: list[str], name: str) -> str:
    return next(table for table in tables if table.partition("@")[0].rpartition("/")[2] == name)
