"""Entry point of the job ``score``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.score import ScoreParams, run
from pipelines.spark.session import spark_session
from pipelines.step import StepResult


def score(params: ScoreParams) -> StepResult:
    """Score with a Spark session of this job's own."""
    return run(spark_session("score", params.root), params)


if __name__ == "__main__":
    run_job(score, ScoreParams)
