"""spark-submit entry point of the step impute: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.impute import ImputeParams, run
from pipelines.spark.session import spark_session

if __name__ == "__main__":
    run_job(lambda params: run(spark_session("impute", params.root), params), ImputeParams)
