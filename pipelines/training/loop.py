"""The epochs of one training on one rank: steps, validation, checkpoints, early stopping.

Every decision (stop, best, error) is taken from numbers that were summed over the ranks, so all
ranks take it alike and none is left waiting for another.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np

from pipelines.training import distributed
from pipelines.training.batch_norm import global_batch_norm
from pipelines.training.batches import Awaited, Batches, Epochs
from pipelines.training.checkpoint import (
    Checkpoints,
    Progress,
    pack_progress,
    restore,
    unpack_progress,
)
from pipelines.training.divergence import check_agreement
from pipelines.training.dropout import global_dropout
from pipelines.training.gradient_norms import GradientNorms
from pipelines.training.heartbeat import Heartbeat
from pipelines.training.layer_rates import make_optimizer_of
from pipelines.training.learning_rate import make_learning_rate
from pipelines.training.lost import one_line_errors
from pipelines.training.metrics import say_leading
from pipelines.training.pruning import Pruning
from pipelines.training.settings import LoopSettings, Outcome
from pipelines.training.steps import Beside, make_predict, make_train_step
from pipelines.training.summaries import open_summaries
from pipelines.training.timeline import StepSampler
from pipelines.training.validation import check_finite, check_total, measure, sum_rows
from pipelines.world import World

_SAY_EVERY_S = 2.0


def _silent() -> None:
    pass


class Loop:
    """Trains ``model`` on one rank; leaves its best weights in it.

    Args:
        model: Gives (rows, width), see ``add_head``.
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
        steps, peak = train.plan.num_steps, settings.learning_rate
        self.optimizer = make_optimizer_of(model, settings, steps)
        self._rate = make_learning_rate(
            settings.method, peak, settings.epochs, settings.warmup_epochs, steps
        )
        self._last_rate = 0.0
        num_steps = steps * settings.epochs
        self._pruning = Pruning(model.trainable_variables, settings.sparsity, num_steps)
        self._state = distributed.state_variables(model, self.optimizer) + self._pruning.masks
        self._checkpoints = Checkpoints(settings.folder / "checkpoints")
        self._digest = ""
        self._clock, self._waited = 0.0, Awaited()
        self._sampler = StepSampler(settings.folder / "timeline.json", world)
        self._beat = Heartbeat()
        self._pause: Callable[[], None] = _silent
        self._epochs = Epochs(train)

    def run(self, beat: Heartbeat | None = None, pause: Callable[[], None] = _silent) -> Outcome:
        """Train to the end or to early stopping, from the last checkpoint if there is one.

        Args:
            beat: Called before each step, as a sign of life; by default nobody sees it.
            pause: Called on all ranks after each checkpoint; may end the run by an exception.

        Raises:
            RankLostError: Another rank is gone.
            TrainingError: The loss is not a number, ranks differ, or rows were lost.
        """
        self._beat, self._pause = beat or Heartbeat(), pause
        with one_line_errors(self.world, self._beat):
            progress = self._resume()
            distributed.broadcast_state(self.model, self.optimizer)
            with ExitStack() as stack:
                # also when it ends by an error: this process may read it in another world
                stack.callback(self._checkpoints.wait)
                stack.callback(self._epochs.close)
                step: Any = self.optimizer.iterations
                model, settings = self.model, self.settings
                stack.enter_context(global_dropout(model, self.world, settings.seed, step.value))
                seen = GradientNorms(model.trainable_variables)
                reduced = distributed.summed_gradients(self.optimizer, settings.reduction, seen.add)
                stack.enter_context(reduced)
                norms = stack.enter_context(global_batch_norm(model))
                summaries = stack.enter_context(open_summaries(settings.folder, self.world))
                beside = Beside(settings.teacher, self._pruning.apply)
                self._step = make_train_step(
                    model, self.optimizer, norms, settings.objective, beside
                )
                self._predict = make_predict(model)
                while not self._is_over(progress):
                    self._one_epoch(progress)
                    summaries(progress, seen.take())
                    self._pause()
            self._sampler.stop()
            self._digest = self._digest or self._agree(f"epoch {progress.epoch}")
            self._take_best()
        rows, parts = self._train.plan.num_rows, self._sampler.result()
        return Outcome(progress, self._digest, rows, parts)

    def _resume(self) -> Progress:
        packed = None
        if self.world.is_root and (found := self._checkpoints.load("last")):
            packed = pack_progress(*found)
            step = f", step {found[1].step}" if found[1].step else ""
            self._say(f"resume after epoch {found[1].epoch}{step}")
        packed = distributed.broadcast_bytes(packed)
        if not packed:
            return Progress()
        content, progress = unpack_progress(packed)
        restore(self._state, content)
        self._rate.factor.state = tuple(progress.rate_state)
        return progress

    def _is_over(self, progress: Progress) -> bool:
        waited = progress.epoch - progress.best_epoch
        is_patient = not self.settings.patience or waited < self.settings.patience
        return progress.epoch >= self.settings.epochs or not is_patient

    def _one_epoch(self, progress: Progress) -> None:
        started = self._clock = time.monotonic()
        self._waited = Awaited()
        epoch, known_rows = progress.epoch + 1, progress.rows
        loss = self._train_epoch(epoch, progress)
        train_s = time.monotonic() - started
        if epoch < self.settings.epochs:  # its first rows are read while this one is validated
            self._epochs.begin(epoch + 1)
        validated = self._validate(epoch)
        self._digest = self._agree(f"epoch {epoch}")
        progress.epoch, progress.step, progress.loss_sum, progress.rows = epoch, 0, 0.0, 0.0
        if progress.best_loss is None or validated["loss"] < progress.best_loss:
            progress.best_loss, progress.best_epoch = validated["loss"], epoch
        if not self._pruning.is_done(epoch * self._train.plan.num_steps):
            progress.best_loss, progress.best_epoch = None, epoch  # the next one is better
        record = {f"val_{name}": value for name, value in validated.items() if name != "rows"}
        rows_per_s = (self._train.plan.num_rows - known_rows) / train_s
        self._rate.factor.after_epoch(validated["loss"])
        progress.history.append(
            {"epoch": epoch, "loss": loss, **record, "learning_rate": self._last_rate}
            | {"seconds": round(time.monotonic() - started, 3), "rows_per_s": round(rows_per_s)}
            | {"train_s": round(train_s, 3), "input_wait_s": round(self._waited.seconds, 3)}
        )
        self._keep(progress)
        self._say(
            f"epoch {epoch}/{self.settings.epochs} loss {loss:.4f} val loss "
            f"{validated['loss']:.4f} val {say_leading(validated)} {rows_per_s:,.0f} rows/s"
            + (" best" if progress.best_epoch == epoch else "")
        )

    def _train_epoch(self, epoch: int, progress: Progress) -> float:
        """Train the steps that are left of an epoch; give its mean loss."""
        plan, first = self._train.plan, progress.step
        before = (epoch - 1) * plan.num_steps
        loss_sum, known_rows, rows = progress.loss_sum, progress.rows, 0.0
        started = said = time.monotonic()
        batches = self._waited.over(self._epochs.take(epoch, first))
        for step, (inputs, label, weight) in enumerate(batches, first):
            total = self._divisor(step)
            rate = self._last_rate = self._rate(before + step)
            self._beat()
            self._sampler.step()
            loss = float(self._step(inputs, label, weight, np.float32(total), np.float32(rate)))
            check_finite(loss, f"epoch {epoch} step {step}", "loss")
            loss_sum += loss * total
            self._rate.after_step(before + step, loss * total, plan.rows_in_step(step))
            self._pruning.after_step(before + step + 1)
            rows += float(np.sum(weight.numpy()))
            if self._is_kept_after(step + 1):
                progress.step, progress.loss_sum = step + 1, loss_sum
                progress.rows = known_rows + sum_rows(rows)
                self._agree(f"epoch {epoch} step {step + 1}")
                self._keep(progress)
                self._pause()
            now = time.monotonic()
            if now - said > _SAY_EVERY_S:
                said = now
                speed = self.world.size * rows / (now - started)
                self._say(
                    f"epoch {epoch} step {step + 1}/{plan.num_steps} loss {loss:.4f} "
                    f"{speed:,.0f} rows/s"
                )
        total_rows = known_rows + sum_rows(rows)
        check_total(total_rows, plan.num_rows, f"epoch {epoch}, training")
        return loss_sum / plan.num_rows

    def _divisor(self, step: int) -> float:
        """Give what the losses of a step are summed over: its rows, or of a full batch the mean."""
        plan = self._train.plan
        is_full = self.settings.method.is_full_batch
        return plan.num_rows / plan.num_steps if is_full else float(plan.rows_in_step(step))

    def _is_kept_after(self, num_steps: int) -> bool:
        every = self.settings.checkpoint_steps
        return bool(every) and num_steps % every == 0 and num_steps < self._train.plan.num_steps

    def _keep(self, progress: Progress) -> None:
        now = time.monotonic()
        progress.seconds += now - self._clock
        self._clock = now
        progress.rate_state = list(self._rate.factor.state)
        if self.world.is_root:
            self._checkpoints.save(self._state, progress)

    def _validate(self, epoch: int) -> dict[str, float]:
        batches, objective = self._validation.batches(0), self.settings.objective
        result = measure(batches, self._predict, self._beat, objective)
        check_total(result["rows"], self._validation.plan.num_rows, f"epoch {epoch}, validation")
        check_finite(result["loss"], f"epoch {epoch}", "validation loss")
        return result

    def _agree(self, when: str) -> str:
        if not self.settings.is_checked_for_divergence:
            return "unchecked"
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
