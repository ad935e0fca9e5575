"""Runs in Airflow's environment: says how the DAGs are made, and runs them by ``dag.test()``.

A line of stdin is a JSON request, with the environment to set for it; the answer is a JSON file.
What Airflow and the tasks log goes to stdout and stderr.
"""

import asyncio
import importlib
import json
import os
import sys
import time
import traceback
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Answer until stdin ends."""
    from airflow.utils.db import initdb

    initdb()
    # dag.test() sleeps a second for each task that a failed one keeps from running
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(0.01 if seconds == 1 else seconds)
    for line in sys.stdin:
        request = json.loads(line)
        before = dict(os.environ)
        os.environ.update(request["environment"])
        try:
            said = _ANSWERS[request["ask"]](request)
        except Exception as error:
            traceback.print_exc()
            said = {"raised": f"{type(error).__name__}: {error}"}
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)
        sys.stdout.flush()
        sys.stderr.flush()
        answer = Path(request["answer"])
        part = answer.with_suffix(".part")
        part.write_text(json.dumps(said, default=str))
        part.replace(answer)


def _bag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])


def _parse(request: dict[str, Any]) -> dict[str, Any]:
    bag = _bag()
    stats = [stat.file for stat in bag.dagbag_stats]
    roots = {name.partition(".")[0] for name in sys.modules}
    known = sorted(name for name in roots if name in request["watched"])
    return {"errors": bag.import_errors, "files": stats, "imported": known}


def _describe(request: dict[str, Any]) -> dict[str, Any]:
    bag = _bag()
    return {
        "errors": bag.import_errors,
        "dags": {dag.dag_id: _dag(dag) for dag in bag.dags.values()},
    }


def _dag(dag: Any) -> dict[str, Any]:
    return {
        "schedule": str(dag.schedule) if dag.schedule is not None else None,
        "start": dag.start_date.isoformat() if dag.start_date else None,
        "end": dag.end_date.isoformat() if dag.end_date else None,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "has_deadline": bool(dag.deadline),
        "text": dag.doc_md,
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _task(task: Any) -> dict[str, Any]:
    return {
        "type": type(task).__name__,
        "after": sorted(task.upstream_task_ids),
        "pool": task.pool,
        "retries": task.retries,
        "retry_delay_s": task.retry_delay.total_seconds(),
        "backoff": task.retry_exponential_backoff,
        "rule": getattr(task.trigger_rule, "value", task.trigger_rule),
        "tells": bool(task.on_failure_callback),
        "outlets": [asset.name for asset in task.outlets],
        "inlets": [asset.name for asset in task.inlets],
    }


def _run(request: dict[str, Any]) -> dict[str, Any]:
    run = _bag().dags[request["dag"]].test(run_conf=request["params"])
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    return {"state": str(run.state), "states": states, "run": run.run_id, "events": _events()}


def _events() -> list[dict[str, Any]]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(AssetEvent).order_by(AssetEvent.id)).all()
        return [{"asset": event.name, "extra": event.extra} for event in found]


def _interval(request: dict[str, Any]) -> dict[str, Any]:
    """What a run of a kind reads of the flights, as a task of it would ask."""
    _bag()
    from airflow_dags.flags import interval_of
    from airflow_dags.rendering import read_rendering

    said = {item.name: item for item in read_rendering(Path(os.environ["GRISTMILL_DAGS"]))}
    start, end = (datetime.fromisoformat(text) for text in request["interval"])
    run = SimpleNamespace(
        run_type=request["kind"], data_interval_start=start, data_interval_end=end
    )
    context = {"dag_run": run, "params": request["params"]}
    return {"reads": interval_of(said[request["dataset"]], context)}


def _late(request: dict[str, Any]) -> dict[str, Any]:
    """Call what a missed deadline calls, found as the triggerer finds it."""
    sys.path.insert(0, os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"])
    callback = _bag().dags[request["dag"]].deadline[0].callback
    module, _, name = callback.path.rpartition(".")
    called = getattr(importlib.import_module(module), name)
    asyncio.run(called(**callback.kwargs, context=request["context"]))
    return {"path": callback.path}


_ANSWERS = {
    "describe": _describe,
    "interval": _interval,
    "late": _late,
    "parse": _parse,
    "run": _run,
}

if __name__ == "__main__":
    main()
