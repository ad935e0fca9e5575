"""spark-submit entry point of the step fold: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.fold import FoldParams, run
from pipelines.spark.session import spark_session

if __name__ == "__main__":
    run_job(lambda params: run(spark_session("fold", params.root), params), FoldParams)
