"""spark-submit entry point of the step deduplicate: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.deduplicate import DeduplicateParams, run
from pipelines.spark.session import spark_session

if __name__ == "__main__":
    run_job(
        lambda params: run(spark_session("deduplicate", params.root), params), DeduplicateParams
    )
