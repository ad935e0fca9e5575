"""What a rank does in the tests of elastic training: it keeps a diary, and meets planned faults.

A fault is ``{"process", "epoch", "step", "does"}``: ``kill`` and ``stop`` send the signal to the
process itself, ``hold`` waits there until the ranks are recalled. Step -1 is after the last one.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from pipelines.training import distributed
from pipelines.training.batches import Epochs
from pipelines.training.elastic import train_in_worlds
from pipelines.training.heartbeat import heartbeat
from pipelines.training.roster import Seat
from pipelines.world import World
from tests.pipelines.training.scenarios import make_loop, sockets, weights

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Diary:
    """Batches as they are taken, written down: which roster, epoch, step, and the rows' x1."""

    def __init__(self, batches: Any, folder: Path, faults: list[dict[str, Any]]) -> None:
        self.plan, self._batches = batches.plan, batches
        seat = Seat.find()
        assert seat
        self._seat, self._process = seat, seat._process
        roster = seat._read()
        assert roster
        self._roster = roster.number
        self._path = folder / f"diary-{self._process}.jsonl"
        self._faults = [fault for fault in faults if fault["process"] == self._process]

    def batches(self, epoch: int, first_step: int = 0) -> Generator[Any]:
        for step, batch in enumerate(self._batches.batches(epoch, first_step), first_step):
            self.meet(epoch, step)
            inputs, _, weight = batch
            rows = inputs["numeric"].numpy()[weight.numpy() > 0, 0].tolist()
            self._write({"epoch": epoch, "step": step, "rows": rows})
            yield batch

    def meet(self, epoch: int, step: int) -> None:
        for fault in self._faults:
            if (epoch, step) != (fault["epoch"], fault["step"]):
                continue
            if fault["does"] in SIGNALS:
                os.kill(os.getpid(), SIGNALS[fault["does"]])
            deadline = time.monotonic() + 100
            while fault["does"] == "hold" and not self._seat.is_recalled():
                assert time.monotonic() < deadline, "nobody has come"
                time.sleep(0.1)

    def _write(self, entry: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(entry | {"roster": self._roster}) + "\n")


def main(table: str, folder: str, planned: str) -> None:
    def train(world: World, pause: Callable[[], None]) -> dict[str, Any]:
        loop = make_loop(table, f"{folder}/run", world, checkpoint_steps=2)
        diary: Any = Diary(loop._train, Path(folder), json.loads(planned))
        loop._epochs = Epochs(diary)
        with heartbeat() as beat:
            outcome = loop.run(beat, pause)
        diary.meet(outcome.progress.epoch, -1)
        return {"weights": weights(loop), "history": outcome.progress.history}

    said, world = train_in_worlds(train)
    if world.is_root:
        print(json.dumps(said | {"size": world.size, "sockets": sockets()}))
    distributed.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
