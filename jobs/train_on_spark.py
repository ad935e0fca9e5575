"""Train on the executors of a Spark cluster: each Horovod rank is a Spark task. For spark-submit.

The tables must be where every executor can read them, and the project installed there. Horovod's
services listen on the interfaces of ``--interfaces`` and take messages signed with the run's key.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipelines.cli import (
    keep_private,
    param,
    parse_params,
    part_of,
    print_result,
    report_errors,
)
from pipelines.errors import ParameterError, TrainingError
from pipelines.step import StepResult, read_result
from pipelines.train import TrainParams, run, trained


@dataclass(frozen=True, slots=True)
class TrainOnSparkJob(TrainParams):
    """Train a network on a pinned features table, on --np tasks of the Spark cluster."""

    np: int = param("ranks: Spark tasks that must run at the same time", 2)
    interfaces: tuple[str, ...] = param("network interfaces that ranks talk over; none: ask", ())
    start_seconds: int = param("seconds to wait for the cluster to start all ranks", 600)


def main() -> StepResult:
    """Start the ranks as one Spark job and give the root's result."""
    job = parse_params(TrainOnSparkJob)
    if job.np < 1:
        raise ParameterError(f"expected --np >= 1; got {job.np}")
    params = part_of(job, TrainParams)
    if known := trained(params):
        return known
    # here: --help and a reused result need none of it
    import horovod.spark

    from pipelines.spark.session import spark_session

    spark_session("train")
    try:
        results: list[str] = horovod.spark.run(
            _rank,
            (params,),
            num_proc=job.np,
            start_timeout=job.start_seconds,
            use_gloo=True,
            use_mpi=False,
            nics=set(job.interfaces) or None,
            # stdout belongs to the one JSON line
            stdout=sys.stderr,
            stderr=sys.stderr,
        )
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise TrainingError(
            f"expected {job.np} ranks on the cluster to train; Horovod says: {said}. See the lines "
            "above for a rank's own message, and that the cluster has a free core for each rank; "
            "run again to go on from the last checkpoint"
        ) from error
    return read_result(json.loads(results[0]))


def _rank(params: TrainParams) -> str:
    """Play one rank inside a Spark task; give its result as JSON."""
    from pipelines.training.distributed import start, stop

    with keep_private():
        result = run(params, start())
        stop()
    return json.dumps(asdict(result))


if __name__ == "__main__":
    with keep_private(), report_errors():
        print_result(main())
