"""The processes of an elastic run, and how many it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.training.launcher import Rank, end_ranks, rank_environment, start_rank
from pipelines.training.roster import Hall


@dataclass(frozen=True, slots=True)
class Elastic:
    """How few ranks are enough, and how many more processes may be started.

    ``sizes`` are the numbers of ranks that can share the work alike; with another number of
    processes some wait until they are needed.
    """

    min_ranks: int
    replacements: int
    sizes: tuple[int, ...]

    def usable(self, num_processes: int) -> int:
        """Give the most ranks that can work together; 0 if there are too few.

        >>> [Elastic(2, 0, (1, 2, 3, 4, 6)).usable(number) for number in (1, 2, 5, 9)]
        [0, 2, 4, 6]
        """
        most = max((size for size in self.sizes if size <= num_processes), default=0)
        return most if most >= self.min_ranks else 0


class Crew:
    """The processes, each under a number of its own; those that are lost are not of it any more."""

    def __init__(
        self, command: Sequence[str], size: int, elastic: Elastic, folder: Path, timeout_s: int
    ) -> None:
        self._command, self._size, self._folder, self._timeout_s = command, size, folder, timeout_s
        self._started = 0
        self.left = elastic.replacements
        self.living: dict[int, Rank] = {}
        self.root = 0
        self.hall = Hall(folder)

    def start(self) -> int:
        """Start one more process; give its number."""
        number, self._started = self._started, self._started + 1
        environment = rank_environment(number, self._size, 0, timeout_s=self._timeout_s)
        environment |= self.hall.environment(number)
        self.living[number] = start_rank(
            self._command, number, environment, self._folder, self._is_root(number)
        )
        return number

    def _is_root(self, number: int) -> Callable[[], bool]:
        return lambda: self.root == number

    def end(self) -> None:
        """End those that still run."""
        end_ranks(list(self.living.values()))
