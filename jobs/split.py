"""spark-submit entry point of the step split: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.spark.session import spark_session
from pipelines.split import SplitParams, run

if __name__ == "__main__":
    run_job(lambda params: run(spark_session("split", params.root), params), SplitParams)
