"""Entry point of the job ``maintain``: upkeep of tables; flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.maintain import Maintained, MaintainParams, run
from pipelines.spark.session import spark_session


def maintain(params: MaintainParams) -> Maintained:
    """Maintain with a Spark session of this job's own, started if it is needed."""
    return run(lambda: spark_session("maintain", params.root), params)


if __name__ == "__main__":
    run_job(maintain, MaintainParams)
