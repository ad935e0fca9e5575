"""Start the ranks of a training on this machine, and start them again when one is lost."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.errors import ParameterError, RankLostError
from pipelines.training import elastic_launcher, launcher
from pipelines.training.crew import Elastic
from pipelines.training.heartbeat import HANG_S


@dataclass(frozen=True, slots=True)
class Start:
    """How ranks are started.

    Args:
        num_processes: Ranks, at least 1.
        restarts: How often to go on from the last checkpoint after a rank was lost; in an elastic
            run, how many processes may take the place of lost ones.
        hang_s: Seconds without a step of any rank after which the ranks, in an elastic run the one
            that hangs, are ended.
        elastic_min: An elastic run goes on with as few ranks as this; 0: not elastic.
        sizes: Numbers of ranks that an elastic run may have.
        is_over: Asked some times a second; the ranks are ended when it says so. Of a run that is
            not elastic.
        is_quiet: Whether what rank 0 says is kept from stderr.

    Raises:
        ParameterError: The numbers make no sense.
    """

    num_processes: int
    restarts: int = 0
    hang_s: float = HANG_S
    elastic_min: int = 0
    sizes: tuple[int, ...] = ()
    is_over: Callable[[], bool] | None = None
    is_quiet: bool = False

    def __post_init__(self) -> None:
        if self.num_processes < 1:
            raise ParameterError(f"expected --np >= 1; got {self.num_processes}")
        if self.restarts < 0:
            raise ParameterError(f"expected --restarts >= 0; got {self.restarts}")
        if not self.elastic_min:
            return
        flags = {"--elastic-min-np": self.elastic_min, "--np": self.num_processes}
        for flag, number in flags.items():
            if number not in self.sizes:
                raise ParameterError(
                    f"expected {flag} to be one of {list(self.sizes)}; got {number}"
                )
        if self.elastic_min > self.num_processes:
            raise ParameterError(
                f"expected --elastic-min-np up to --np, {self.num_processes}; got "
                f"{self.elastic_min}"
            )


def start_ranks(command: Sequence[str], start: Start) -> str:
    """Run ``command`` as all ranks; give what rank 0 printed.

    Raises:
        RankLostError: A rank was killed or hangs, and no restart is left.
        StoppedError: ``start.is_over`` has said so.
        TrainingError: A rank failed; with its number and its last words.
    """
    if start.elastic_min:
        elastic = Elastic(start.elastic_min, start.restarts, start.sizes)
        return elastic_launcher.launch_elastic(
            command, start.num_processes, elastic, hang_s=start.hang_s
        )
    done = 0
    while True:
        try:
            return launcher.launch(
                command, start.num_processes, hang_s=start.hang_s, is_over=start.is_over,
                is_quiet=start.is_quiet,
            )  # fmt: skip
        except RankLostError as error:
            if done == start.restarts:
                raise
            done += 1
            sys.stderr.write(f"train: restart {done} of {start.restarts}: {error}\n")
            sys.stderr.flush()
