"""The epochs of one training on one rank: steps, validation, checkpoints, early stopping.

Every decision (stop, best, error) is taken from numbers that were summed over the ranks, so all
ranks take it alike and none is left waiting for another.
"""

import math
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.errors import TrainingError
from pipelines.training import distributed
from pipelines.training.batches import Batches
from pipelines.training.checkpoint import (
    Checkpoints,
    Progress,
    pack_progress,
    restore,
    unpack_progress,
)
from pipelines.training.divergence import check_agreement
from pipelines.training.dropout import global_dropout
from pipelines.training.metrics import BinaryState
from pipelines.training.schedules import WarmupCosine
from pipelines.training.steps import make_predict, make_train_step
from pipelines.training.summaries import open_summaries
from pipelines.world import World

_SAY_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What a loop needs to know beside model and data; ``patience`` 0 never stops early."""

    folder: Path
    epochs: int
    learning_rate: float
    warmup_epochs: float
    patience: int
    weight_decay: float
    seed: int
    is_checked_for_divergence: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished training says; ``weights_digest`` is of the last state, on all ranks."""

    progress: Progress
    weights_digest: str
    rows_per_epoch: int


class Loop:
    """Trains ``model`` on one rank; leaves its best weights in it.

    Args:
        model: Gives logits, (rows, 1).
        train: Training split.
        validation: Validation split, in fixed order.
        settings: See ``LoopSettings``.
        world: This rank.
    """

    def __init__(
        self, model: keras.Model, train: Batches, validation: Batches, settings: LoopSettings,
        world: World,
    ) -> None:  # fmt: skip
        self.model, self.settings, self.world = model, settings, world
        self._train, self._validation = train, validation
        self.optimizer = keras.optimizers.AdamW(
            settings.learning_rate, weight_decay=settings.weight_decay
        )
        steps = train.plan.num_steps
        self._schedule = WarmupCosine(
            settings.learning_rate, round(settings.warmup_epochs * steps), settings.epochs * steps
        )
        self._state = distributed.state_variables(model, self.optimizer)
        self._checkpoints = Checkpoints(settings.folder / "checkpoints")
        self._digest = ""

    def run(self) -> Outcome:
        """Train to the end or to early stopping, from the last checkpoint if there is one.

        Raises:
            TrainingError: The loss is not a number, ranks differ, rows were lost, or another rank
                is gone.
        """
        with _one_line_errors(self.world):
            progress = self._resume()
            distributed.broadcast_state(self.model, self.optimizer)
            with ExitStack() as stack:
                step: Any = self.optimizer.iterations
                seed = self.settings.seed
                stack.enter_context(global_dropout(self.model, self.world, seed, step.value))
                stack.enter_context(distributed.summed_gradients(self.optimizer))
                summaries = stack.enter_context(open_summaries(self.settings.folder, self.world))
                self._step = make_train_step(self.model, self.optimizer)
                self._predict = make_predict(self.model)
                while not self._is_over(progress):
                    self._one_epoch(progress)
                    summaries(progress)
            self._digest = self._digest or self._agree(progress)
            self._take_best()
        return Outcome(progress, self._digest, self._train.plan.num_rows)

    def _resume(self) -> Progress:
        packed = None
        if self.world.is_root and (found := self._checkpoints.load("last")):
            packed = pack_progress(*found)
            self._say(f"resume after epoch {found[1].epoch}")
        packed = distributed.broadcast_bytes(packed)
        if not packed:
            return Progress()
        content, progress = unpack_progress(packed)
        restore(self._state, content)
        return progress

    def _is_over(self, progress: Progress) -> bool:
        waited = progress.epoch - progress.best_epoch
        is_patient = not self.settings.patience or waited < self.settings.patience
        return progress.epoch >= self.settings.epochs or not is_patient

    def _one_epoch(self, progress: Progress) -> None:
        started = time.monotonic()
        epoch = progress.epoch + 1
        loss = self._train_epoch(epoch)
        train_s = time.monotonic() - started
        validated = self._validate(epoch)
        self._digest = self._agree(progress)
        progress.epoch = epoch
        if validated["loss"] < progress.best_loss:
            progress.best_loss, progress.best_epoch = validated["loss"], epoch
        record = {f"val_{name}": value for name, value in validated.items() if name != "rows"}
        rows_per_s = self._train.plan.num_rows / train_s
        rate = self._schedule(epoch * self._train.plan.num_steps - 1)
        progress.history.append(
            {"epoch": epoch, "loss": loss, **record, "learning_rate": rate}
            | {"seconds": round(time.monotonic() - started, 3), "rows_per_s": round(rows_per_s)}
        )
        progress.seconds += time.monotonic() - started
        if self.world.is_root:
            self._checkpoints.save(self._state, progress)
        self._say(
            f"epoch {epoch}/{self.settings.epochs} loss {loss:.4f} val loss "
            f"{validated['loss']:.4f} val auc {validated['auc']:.4f} {rows_per_s:,.0f} rows/s"
            + (" best" if progress.best_epoch == epoch else "")
        )

    def _train_epoch(self, epoch: int) -> float:
        plan = self._train.plan
        before = (epoch - 1) * plan.num_steps
        loss_sum = rows = 0.0
        started = said = time.monotonic()
        for step, (inputs, label, weight) in enumerate(self._train.batches(epoch)):
            total = float(plan.rows_in_step(step))
            rate = self._schedule(before + step)
            loss = float(self._step(inputs, label, weight, np.float32(total), np.float32(rate)))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"epoch {epoch} step {step}: expected a finite loss; got {loss}. Lower "
                    "--learning-rate, or look for extreme values in the features; the last "
                    "checkpoint is untouched"
                )
            loss_sum += loss * total
            rows += float(np.sum(weight.numpy()))
            now = time.monotonic()
            if now - said > _SAY_EVERY_S:
                said = now
                speed = self.world.size * rows / (now - started)
                self._say(
                    f"epoch {epoch} step {step + 1}/{plan.num_steps} loss {loss:.4f} "
                    f"{speed:,.0f} rows/s"
                )
        self._check_rows(rows, plan.num_rows, f"epoch {epoch}, training")
        return loss_sum / plan.num_rows

    def _validate(self, epoch: int) -> dict[str, float]:
        state = BinaryState()
        for inputs, label, weight in self._validation.batches(0):
            logit = self._predict(inputs).numpy()[:, 0]
            state.add(logit, label.numpy()[:, 0], weight.numpy() > 0)
        summed = distributed.sum_values(state.to_array(), "validation")
        result = BinaryState.from_array(summed).result()
        self._check_total(
            result["rows"], self._validation.plan.num_rows, f"epoch {epoch}, validation"
        )
        if not math.isfinite(result["loss"]):
            raise TrainingError(
                f"epoch {epoch}: expected a finite validation loss; got {result['loss']}. Lower "
                "--learning-rate; the last checkpoint is untouched"
            )
        return result

    def _check_rows(self, rows: float, expected: int, when: str) -> None:
        summed = distributed.sum_values(np.array([rows]), "rows")
        self._check_total(float(summed[0]), expected, when)

    def _check_total(self, rows: float, expected: int, when: str) -> None:
        if rows != expected:
            raise TrainingError(
                f"{when}: expected {expected} rows over all ranks; got {rows:.0f}. Rows were lost "
                "or doubled while loading; please report it"
            )

    def _agree(self, progress: Progress) -> str:
        if not self.settings.is_checked_for_divergence:
            return "unchecked"
        when = f"epoch {progress.epoch + 1}"
        return check_agreement(self._state, distributed.gather_rows, when)

    def _take_best(self) -> None:
        packed = None
        if self.world.is_root and (found := self._checkpoints.load("best")):
            packed = found[0]
        restore(self._state, distributed.broadcast_bytes(packed))

    def _say(self, text: str) -> None:
        if self.world.is_root:
            sys.stderr.write(f"train: {text}\n")
            sys.stderr.flush()


@contextmanager
def _one_line_errors(world: World) -> Generator[None, None, None]:
    try:
        yield
    except tf.errors.OpError as error:
        said = " ".join(str(error.message).split())[:300]
        raise TrainingError(
            f"rank {world.rank} of {world.size} had to stop: {said}. If another rank ended first, "
            "its message says why; run again to go on from the last checkpoint"
        ) from error
