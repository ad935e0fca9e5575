"""``train_<dataset>``: from one announced features table to a registered model."""

from typing import Any

from airflow.sdk import DAG, Param, chain, task
from airflow.sdk.exceptions import AirflowFailException

from airflow_dags import handover, settings
from airflow_dags.declare import declare, jobs
from airflow_dags.handover import Result
from airflow_dags.rendering import Dataset

TAKE = "take_features"
_ROC_AUC = {"name": "roc_auc", "words": "ROC AUC", "is_lower_better": False}
_TEXT = """Train on the features table that was announced, evaluate, explain and register the model.

Starts when `prepare_{name}` has announced a version that passed its checks. A model that is not
above `minimum_roc_auc` on the validation split stops the run before it is registered, as does one
of classes or of a number that is not better than the majority class or the mean; one that is
registered becomes champion only if it is better. In both cases the champion stays as it is.
"""


def train(dataset: Dataset) -> DAG:
    """Declare the DAG of one data set."""
    announced = handover.features(dataset.name)
    most = settings.number("max_np")
    ranks = min(settings.number("np"), most)
    params = {
        "np": Param(ranks, type="integer", minimum=1, maximum=most, description="Horovod ranks"),
        "minimum_roc_auc": Param(
            0.5, type="number", minimum=0, maximum=1, description="of the validation split"
        ),
        "features_version": version_param(),
    }
    text = _TEXT.format(name=dataset.name)
    options: dict[str, Any] = {step.name: {"takes": TAKE} for step in dataset.part("train")}
    options["train"] |= {"asks": ("np",)}
    options["register"] |= {"announces": handover.model(dataset.name)}
    with declare(f"train_{dataset.name}", dataset, text, params, schedule=[announced]) as dag:

        @task(task_id=TAKE, inlets=[announced])
        def take_features(**context: Any) -> Result:
            return handover.take(context, (announced,), context["params"]["features_version"])

        steps = dataset.part("train")
        measured = [step.name for step in steps].index("evaluate") + 1
        first = jobs(dataset, steps[:measured], **options)
        last = jobs(dataset, steps[measured:], **options)
        chain(take_features(), first[0])
        chain(first[-1], _gate(first[-1].output), last[0])
    return dag


def version_param() -> Param:
    """Give the param by which a person names a version of the features table."""
    text = (
        "version of the announced features table; none: the one that started the run, or the newest"
    )
    return Param(None, type=["null", "integer"], minimum=0, description=text)


@task(task_id="gate", retries=0)
def _gate(evaluated: Result, **context: Any) -> Result:
    """Let a model pass that is better than the least that was asked for."""
    least = context["params"]["minimum_roc_auc"]
    if context["params"]["dry_run"]:
        return {"minimum_roc_auc": least, "dry_run": True}
    details = evaluated["details"]
    figure, validation = details.get("compared_by", _ROC_AUC), details["validation"]
    name = figure["name"]
    found, bar = validation["network"][name], least
    if name != _ROC_AUC["name"]:
        # in classes and numbers no least suits all: it must beat whoever knows no feature
        bar = validation["mean" if "mean" in validation else "majority_class"][name]
    is_better = found < bar if figure["is_lower_better"] else found > bar
    if not is_better:
        side = "under" if figure["is_lower_better"] else "over"
        raise AirflowFailException(
            f"expected a {figure['words']} {side} {bar:.4g} on the validation split; the model has "
            f"{found:.4f}. It is not registered, and the champion stays. Look at the evaluation, "
            "then train anew"
        )
    return {name: found, "minimum_roc_auc": least}
