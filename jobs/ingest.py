"""Entry point of the job ``ingest``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.ingest import STEP, IngestParams, run
from pipelines.spark.session import spark_session
from pipelines.step import StepResult


def ingest(params: IngestParams) -> StepResult:
    """Ingest with a Spark session of this job's own."""
    return run(spark_session(STEP, params.root), params)


if __name__ == "__main__":
    run_job(ingest, IngestParams)
