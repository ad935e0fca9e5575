"""``score_<dataset>`` and ``report_quality_<dataset>``: the champion at work, and its watch."""

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_dags import handover
from airflow_dags.declare import declare, jobs
from airflow_dags.handover import Result
from airflow_dags.rendering import Dataset
from airflow_dags.train import TAKE, version_param

_SCORE = """Score the features table with the champion.

Starts when `prepare_{name}` has announced a table or `train_{name}` a model. While no model was
announced, a new table is passed over: its training will start this again.
"""
_REPORT = """Hold features, label and predictions to what the champion was trained on.

Starts when `score_{name}` has announced predictions. Drift beyond a limit of error fails the run.
"""


def score(dataset: Dataset) -> DAG:
    """Declare the DAG that scores one data set."""
    table, model = handover.features(dataset.name), handover.model(dataset.name)
    options = {
        "takes": TAKE,
        "asks": ("model", "split"),
        "announces": handover.predictions(dataset.name),
    }
    params = {
        "model": Param(
            "champion", type="string", pattern="^(champion|[0-9]+)$", description="or a version"
        ),
        "split": Param("test", enum=["train", "validation", "test", "all"], description="rows"),
        "features_version": version_param(),
    }
    text = _SCORE.format(name=dataset.name)
    with declare(f"score_{dataset.name}", dataset, text, params, schedule=(table | model)) as dag:

        @task(task_id=TAKE, inlets=[table, model])
        def take_features(**context: Any) -> Result:
            params = context["params"]
            results = handover.take(context, (table, model), params["features_version"])
            if params["model"] == "champion" and not params["dry_run"]:
                handover.require_model(context, dataset.name)
            return results

        take_features() >> jobs(dataset, dataset.part("score"), score=options)[0]
    return dag


def report_quality(dataset: Dataset) -> DAG:
    """Declare the DAG that looks at drift."""
    announced = handover.predictions(dataset.name)
    text = _REPORT.format(name=dataset.name)
    with declare(f"report_quality_{dataset.name}", dataset, text, {}, schedule=[announced]) as dag:

        @task(task_id="take_predictions", inlets=[announced])
        def take_predictions(**context: Any) -> Result:
            return handover.take(context, (announced,), None)

        made = jobs(
            dataset, dataset.part("report_quality"), report_quality={"takes": "take_predictions"}
        )
        take_predictions() >> made[0]
    return dag
