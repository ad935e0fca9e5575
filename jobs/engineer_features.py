"""spark-submit entry point of the step engineer_features: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.engineer_features import EngineerFeaturesParams, run
from pipelines.spark.session import spark_session

if __name__ == "__main__":
    run_job(
        lambda params: run(spark_session("engineer_features", params.root), params),
        EngineerFeaturesParams,
    )
