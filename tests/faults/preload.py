"""Start programs whose links and renames are held, delayed or recorded; see delay.c beside this."""

import os
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).parent / "delay.c"
_POLL_S = 0.01
_MOST_S = 240  # a machine that gets no further in this time is broken, not slow


def build_shim(folder: Path) -> Path:
    """Compile delay.c into ``folder``."""
    library = folder / "delay.so"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    command = ["cc", *flags, "-o", str(library), str(_SOURCE), "-ldl", "-pthread"]
    subprocess.run(command, check=True)
    return library


def preloaded(
    shim: Path, *, calls: str = "", names: str = "", **settings: str | int
) -> dict[str, str]:
    """Give the environment of a program to disturb.

    Args:
        shim: What ``build_shim`` made.
        calls: Of ``link`` and ``rename``, those to hold or delay: ``"link,rename"``.
        names: Disturb only where the new name contains this.
        settings: ``delay_ms``, ``delay_seed``, ``hold`` and ``calls_log``, as delay.c explains.
    """
    known = {"delay_ms", "delay_seed", "hold", "calls_log"}
    if not set(settings) <= known:
        raise ValueError(f"expected settings of {sorted(known)}; got {sorted(settings)}")
    given = {"delay_calls": calls, "delay_names": names, **settings}
    variables = {f"GRISTMILL_{name.upper()}": str(value) for name, value in given.items() if value}
    return {**os.environ, "LD_PRELOAD": str(shim), **variables}


@dataclass(frozen=True, slots=True)
class Hold:
    """A barrier in a program that was started with ``hold``."""

    path: Path

    @property
    def _mark(self) -> Path:
        return self.path.with_name(self.path.name + ".held")

    @contextmanager
    def held(self, program: subprocess.Popen[str], begin: Callable[[], object]) -> Generator[None]:
        """Have ``program`` begin something, and work while it stands before its next call.

        Other calls of the program pass meanwhile; it goes on when the block ends.
        """
        self.path.touch()
        try:
            begin()
            self._wait(program)
            yield
        finally:
            self.path.unlink(missing_ok=True)
            self._mark.unlink(missing_ok=True)

    def _wait(self, program: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + _MOST_S
        while not self._mark.exists():
            if program.poll() is not None:
                raise RuntimeError(f"the program ended with {program.returncode}, not held")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the program made no call in {_MOST_S} s")
            time.sleep(_POLL_S)
        self.path.unlink()
