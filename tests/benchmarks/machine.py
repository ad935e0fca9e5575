"""What a measurement ran on, and the memory of a tree of processes while it runs."""

import os
import platform
import threading
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

_PERIOD_S = 0.2
_PACKAGES = ("pyspark", "delta-spark", "pyarrow", "numpy")


def describe_machine() -> dict[str, object]:
    """Processor, cores, memory, versions and the date."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1_5_15_min": [round(load, 1) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class PeakMemory(threading.Thread):
    """Sample a process and all its children; the peak is in bytes since the last ``take``.

    Proportional set size, see proc(5): a page that several processes share counts once in all.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process, self._peak = psutil.Process(pid), 0
        self._cpu_s: dict[int, float] = {}
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            self._peak = max(self._peak, self._sample())

    def take(self) -> int:
        """Give the peak since the last call and begin anew."""
        peak, self._peak = max(self._peak, self._sample()), 0
        return peak

    def stop(self) -> None:
        self._stopped.set()

    def cpu_s(self) -> float:
        """Processor seconds of the tree so far, with those of processes that have ended."""
        self._sample()
        return sum(self._cpu_s.values())

    def _sample(self) -> int:
        total = 0
        for item in self._tree():
            try:
                total += _pss(item.pid)
                self._cpu_s[item.pid] = sum(item.cpu_times()[:2])
            except (psutil.Error, OSError):  # it has ended meanwhile
                continue
        return total

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return []


def _pss(pid: int) -> int:
    """Proportional set size of a process, bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
