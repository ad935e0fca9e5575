"""Train: one rank of a Horovod job, or, with --np, the launcher of that many local ranks."""

import sys
from dataclasses import dataclass
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
from pipelines.train import Supervision, TrainParams, launch_training, run
from pipelines.training.heartbeat import HANG_S
from pipelines.training.launcher import is_rank
from pipelines.training.quick_start import skip_unused_imports


@dataclass(frozen=True, slots=True)
class TrainJob(TrainParams):
    """Train a network on a pinned features table, on --np local ranks or under horovodrun."""

    np: int = param("local ranks to start; not looked at inside a Horovod job", 1)
    restarts: int = param("times to go on from the last checkpoint when a rank is lost", 0)
    hang_seconds: float = param("seconds without a step after which the ranks are ended", HANG_S)
    elastic_min_np: int = param(
        "go on without lost ranks, on as few as this, and put up to --restarts new ones in their "
        "place; 0: end when one is lost",
        0,
    )


def main() -> None:
    """Run one rank, or launch."""
    job = parse_params(TrainJob)
    params = part_of(job, TrainParams)
    if not is_rank():
        print_result(
            launch_training(params, job.np, job.restarts, job.hang_seconds, job.elastic_min_np)
        )
        return
    skip_unused_imports()
    # a launcher must not wait for TensorFlow
    from pipelines.training.distributed import stop
    from pipelines.training.elastic import train_in_worlds

    result, world = train_in_worlds(
        lambda world, pause: run(params, world, Supervision(job.hang_seconds, pause))
    )
    if world.is_root:
        print_result(result)
    stop()


if __name__ == "__main__":
    with keep_private(), report_errors():
        main()
