"""Which of how many: the only thing that distributed code may know about the others."""

from dataclasses import dataclass

from pipelines.errors import ParameterError


@dataclass(frozen=True, slots=True)
class World:
    """This process is ``rank`` of ``size`` that train together."""

    rank: int
    size: int

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise ParameterError(
                f"World needs 0 <= rank < size; got rank {self.rank} of {self.size}"
            )

    @property
    def is_root(self) -> bool:
        """True on the one rank that speaks and writes."""
        return self.rank == 0


ONE = World(0, 1)
