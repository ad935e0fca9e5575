"""What some steps are made of, by Horovod's own timeline: computing, agreeing, reducing.

Horovod can be told to write its timeline for a while (horovod 0.28.1, horovod/common/timeline.cc:
Chrome's trace events, one process for each tensor). A stretch of steps after the first ones is
enough, so that a run pays for tens of steps and not for a file that grows with it.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import horovod.tensorflow as hvd

from pipelines.world import World

# the first steps are traced and compiled
_SKIPPED = 10
_SAMPLED = 100
_NEGOTIATE, _REDUCE = "NEGOTIATE_", ("ALLREDUCE", "ALLGATHER")
_Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class StepParts:
    """Seconds of ``steps`` steps on rank 0, the waiting for rows included.

    ``negotiate_s`` is from the moment rank 0 has a gradient to reduce until all ranks have; so it
    is mostly waiting for slower ranks. ``reduce_s`` is the exchange itself.
    """

    steps: int
    seconds: float
    negotiate_s: float
    reduce_s: float


class StepSampler:
    """Has Horovod write the timeline of steps 11 to 110 of a run, and reads it."""

    def __init__(self, path: Path, world: World) -> None:
        self._path, self._world = path, world
        self._steps = 0
        self._began = self._seconds = 0.0
        self._sampled = 0

    def step(self) -> None:
        """Take notice that a step begins; every rank must call it for every step."""
        if self._world.size == 1:
            return
        if self._steps == _SKIPPED:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            hvd.start_timeline(str(self._path))
            self._began = time.monotonic()
        elif self._steps == _SKIPPED + _SAMPLED:
            self.stop()
        self._steps += 1

    def stop(self) -> None:
        """Sample no more; every rank must call it."""
        if self._began and not self._sampled:
            self._seconds = time.monotonic() - self._began
            self._sampled = self._steps - _SKIPPED
            hvd.stop_timeline()

    def result(self) -> StepParts | None:
        """Give what the sampled steps were made of, on rank 0 of several; else None."""
        if not (self._sampled and self._world.is_root and self._path.exists()):
            return None
        spans = read_spans(self._path)
        negotiate = union_s(span for name, span in spans if name.startswith(_NEGOTIATE))
        reduced = union_s(span for name, span in spans if name in _REDUCE)
        return StepParts(self._sampled, round(self._seconds, 4), negotiate, reduced)


def read_spans(path: Path) -> list[tuple[str, _Span]]:
    """Give name, begin and end (in seconds) of all spans of a timeline that have both.

    A timeline that was cut lacks its closing bracket; what is there is read.
    """
    text = path.read_text().rstrip().rstrip(",")
    events: list[dict[str, Any]] = json.loads(text if text.endswith("]") else text + "]")
    open_spans: dict[int, list[tuple[str, float]]] = {}
    spans: list[tuple[str, _Span]] = []
    for event in events:
        if event["ph"] == "B":
            begun = (event["name"], event["ts"] / 1e6)
            open_spans.setdefault(event["pid"], []).append(begun)
        elif event["ph"] == "E" and open_spans.get(event["pid"]):
            name, begin = open_spans[event["pid"]].pop()
            spans.append((name, (begin, event["ts"] / 1e6)))
    return spans


def union_s(spans: Iterable[_Span]) -> float:
    """Give the seconds that are inside at least one span."""
    total, end = 0.0, float("-inf")
    for begin, until in sorted(spans):
        total += max(until - max(begin, end), 0.0)
        end = max(end, until)
    return round(total, 4)
