"""spark-submit entry point of the step validate: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.spark.session import spark_session
from pipelines.validate import ValidateParams, run

if __name__ == "__main__":
    run_job(lambda params: run(spark_session("validate", params.root), params), ValidateParams)
