"""Run the trials of a study, as many side by side as there are ranks for."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Protocol, TypeAlias

from pipelines.errors import ParameterError, RankLostError, StoppedError, TrainingError
from pipelines.state import read_json
from pipelines.step import StepResult
from pipelines.storage.place import place
from pipelines.tuning.study import Draw, Study

Report: TypeAlias = Callable[[Sequence[Mapping[str, float]]], bool]


class Figure(Protocol):
    """Gives the figure that is searched by, of those of one validation."""

    def __call__(self, figures: Mapping[str, float], /, *, prefix: str = "") -> float:
        """Give the figure whose name begins with ``prefix``."""
        ...


class Trials:
    """The trials that one process runs.

    Args:
        study: Says what to try.
        train: Trains with parameters; calls back with the figures of all epochs so far until
            that says True, then ends the ranks and raises ``StoppedError``.
        figure: See ``Figure``.
    """

    def __init__(
        self,
        study: Study,
        train: Callable[[dict[str, Any], Report], StepResult],
        figure: Figure,
    ) -> None:
        self._study, self._train, self._figure = study, train, figure
        self._lock, self._stopped = Lock(), Event()
        # of two trials with the same parameters one trains, the other finds it done
        self._training: dict[str, Lock] = {}

    def run(self, most: int, slots: int) -> None:
        """Try until ``most`` trials have begun and all have ended, ``slots`` at once."""
        if left := self._study.recover():
            _say(f"{left} trials were under way when the search ended: they are tried again")
        with ThreadPoolExecutor(slots, "trial") as pool:
            try:
                for done in [pool.submit(self._work, most, slot, slots) for slot in range(slots)]:
                    done.result()
            finally:
                self._stopped.set()

    def _work(self, most: int, slot: int, slots: int) -> None:
        """Take one trial after the other, on this slot's share of the cores."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= slots > 1:
            # of this thread alone; the ranks it starts inherit it, and take as many threads
            os.sched_setaffinity(0, cores[slot::slots])
        try:
            while not self._stopped.is_set():
                with self._lock:
                    draw = self._study.draw(most)
                if draw is None:
                    return
                self._try(draw)
        except BaseException:
            self._stopped.set()
            raise

    def _try(self, draw: Draw) -> None:
        said = _Said(self._study, draw, self._figure, self._lock)
        try:
            result = self._trained(draw, said)
        except StoppedError:
            if said.is_bad:
                self._given_up(draw, said)
            return  # else the search ends; when it goes on, the trial is tried again
        except RankLostError as error:
            self._failed(draw, str(error), is_lost=True)
            return
        except (ParameterError, TrainingError) as error:
            self._failed(draw, str(error), is_lost=False)
            return
        # trained before, or ended before it was looked at
        if said.hear(read_json(place(result.files["history"]))["history"]):
            self._given_up(draw, said)
            return
        value = self._figure(result.details["validation"])
        with self._lock:
            self._study.complete(draw, value)
        _say(f"trial {draw.trial.number}: {value:.5f} with {_words(draw.parameters)}")

    def _trained(self, draw: Draw, said: "_Said") -> StepResult:
        with self._lock:
            mine = self._training.setdefault(repr(sorted(draw.parameters.items())), Lock())
        with mine:
            return self._train(
                draw.parameters, lambda epochs: said.hear(epochs) or self._stopped.is_set()
            )

    def _given_up(self, draw: Draw, said: "_Said") -> None:
        with self._lock:
            self._study.prune(draw)
        _say(
            f"trial {draw.trial.number}: given up after epoch {said.epoch} at {said.last:.5f} with "
            f"{_words(draw.parameters)}"
        )

    def _failed(self, draw: Draw, why: str, *, is_lost: bool) -> None:
        with self._lock:
            is_again = self._study.fail(draw, why, is_lost=is_lost)
        again = ", it is tried again" if is_again else ""
        _say(f"trial {draw.trial.number}: failed{again}: {why.splitlines()[0]}")


@dataclass(slots=True)
class _Said:
    """What a trial has said of its epochs, each of which is looked at once and in order."""

    study: Study
    draw: Draw
    figure: Figure
    lock: Lock
    epoch: int = 0
    last: float = 0.0
    is_bad: bool = False

    def hear(self, epochs: Sequence[Mapping[str, float]]) -> bool:
        """Enter the figures of new epochs; says whether the trial is to be given up."""
        for epoch in epochs:
            number = int(epoch["epoch"])
            if number > self.epoch and not self.is_bad:
                self.epoch, self.last = number, self.figure(epoch, prefix="val_")
                with self.lock:
                    self.is_bad = self.study.report(self.draw, number, self.last)
        return self.is_bad


def _words(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items())


def _say(words: str) -> None:
    sys.stderr.write(f"search: {words}\n")
    sys.stderr.flush()
