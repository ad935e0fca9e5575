"""Who trains together just now: what an elastic launcher tells its ranks, in files of one folder.

Horovod's elastic driver tells it by two servers that listen on all interfaces and unpickle what
they get. Ranks of one machine need neither. The launcher writes a roster; a process that wants to
be on the next one leaves its name at the door, and waits.
"""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.state import read_json, write_json

FOLDER, PROCESS = "GRISTMILL_ROSTER", "GRISTMILL_PROCESS"
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Roster:
    """The ranks of one stretch of a run.

    ``members`` are the numbers of processes, in the order of ranks; ``port`` is where they meet.
    ``is_recalled`` asks them all to come back to the door at the next checkpoint.
    """

    number: int
    members: tuple[int, ...]
    port: int = 0
    is_recalled: bool = False


class Hall:
    """The launcher's side of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def environment(self, process: int) -> dict[str, str]:
        """Give the variables that let a process find its ``Seat``."""
        return {FOLDER: str(self._folder), PROCESS: str(process)}

    def waiting(self) -> set[int]:
        """Give the processes that are at the door."""
        return {int(path.suffix[1:]) for path in self._folder.glob("door.*")}

    def publish(self, roster: Roster) -> None:
        """Let the members of ``roster`` in."""
        if not roster.is_recalled:
            for process in roster.members:
                _door(self._folder, process).unlink(missing_ok=True)
        write_json(_list(self._folder), asdict(roster))


class Seat:
    """A rank's side of the folder."""

    def __init__(self, folder: Path, process: int) -> None:
        self._folder, self._process = folder, process
        self._last = 0

    @classmethod
    def find(cls) -> "Seat | None":
        """Give this process's seat; None where no elastic launcher has started it."""
        folder = os.environ.get(FOLDER)
        return cls(Path(folder), int(os.environ[PROCESS])) if folder else None

    def wait(self) -> tuple[Roster, int]:
        """Wait at the door for a new roster with this process on it; give it and the rank."""
        _door(self._folder, self._process).touch()
        while True:
            roster = self._read()
            if roster and roster.number > self._last and self._process in roster.members:
                self._last = roster.number
                return roster, roster.members.index(self._process)
            time.sleep(_POLL_S)

    def is_recalled(self) -> bool:
        """Say whether the ranks are asked to come back to the door."""
        roster = self._read()
        return roster is not None and roster.is_recalled

    def _read(self) -> Roster | None:
        path = _list(self._folder)
        if not path.exists():
            return None
        value = read_json(path)
        return Roster(**value | {"members": tuple(value["members"])})


def _door(folder: Path, process: int) -> Path:
    return folder / f"door.{process}"


def _list(folder: Path) -> Path:
    return folder / "roster.json"
