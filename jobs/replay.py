"""Entry point of the job ``replay``: rows out of the quarantine, or mended ones back in."""

from dataclasses import asdict, replace

from pipelines.cli import run_job
from pipelines.replay import Exported, ReplayParams, ingests_to_repeat, run
from pipelines.step import StepResult


def replay(params: ReplayParams) -> Exported | StepResult:
    """Export rows, or land mended ones and ingest, with a Spark session of this job's own."""
    done = run(params)
    if isinstance(done, Exported):
        return done
    from pipelines.ingest import IngestParams
    from pipelines.ingest import run as ingest
    from pipelines.spark.session import spark_session

    spark = spark_session("replay", params.root)
    made = [
        ingest(spark, IngestParams(params.dataset, params.root, **asdict(again)))
        for again in ingests_to_repeat(params)
    ]
    return replace(made[-1], details={**made[-1].details, "replay": asdict(done)})


if __name__ == "__main__":
    run_job(replay, ReplayParams)
