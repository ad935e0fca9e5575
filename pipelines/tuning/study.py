"""A study: trials kept in a database, so that a search goes on where it was.

What Optuna draws is seeded by the trial's number, not by what was drawn before in this process: a
search that was killed and goes on draws what it would have drawn. One process works on a study.
"""

import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipelines.tuning.space import Choice, Conditions, Range, Space, combinations, counts, in_order

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")
COMPLETE, PRUNED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
_WHY, _RETRY_OF, _LOSSES, _POINT = "why", "retry_of", "times_lost", "point"
STOPPED = "the search was stopped"
_MOST_LOSSES = 1  # how often a trial whose ranks were killed is tried again


@dataclass(frozen=True, slots=True)
class Plan:
    """How a study draws and judges its trials.

    Args:
        space: What varies.
        conditions: Parameters that count only where another one has some value.
        base: Values of the parameters that do not vary.
        sampler: One of ``SAMPLERS``.
        pruner: One of ``PRUNERS``.
        startup: Trials before the median decides.
        seed: Of all draws.
        is_greater_better: Whether the figure is to be great.
    """

    space: Space
    conditions: Conditions
    base: Mapping[str, Any]
    sampler: str = "tpe"
    pruner: str = "median"
    startup: int = 5
    seed: int = 1
    is_greater_better: bool = False


@dataclass(frozen=True, slots=True)
class Draw:
    """A trial that is under way, and the parameters that were drawn for it."""

    trial: optuna.Trial
    parameters: dict[str, Any]


class Study:
    """The trials of one search.

    Args:
        url: SQLAlchemy's address of the database.
        options: Of its driver.
        name: Of the study; made if there is none of it.
        plan: See ``Plan``.
    """

    def __init__(self, url: str, options: Mapping[str, Any], name: str, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan = plan
        storage = optuna.storages.RDBStorage(url, {"connect_args": dict(options)})
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="maximize" if plan.is_greater_better else "minimize",
            pruner=optuna.pruners.MedianPruner(plan.startup)
            if plan.pruner == "median"
            else optuna.pruners.NopPruner(),
        )
        self._grid = _grid(plan) if plan.sampler == "grid" else []

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, oldest first."""
        return self._study.get_trials(deepcopy=False)

    def recover(self) -> int:
        """Fail trials that a process which is gone has left, and put them up again; how many."""
        left = [trial for trial in self.trials if trial.state == TrialState.RUNNING]
        for trial in left:
            self._again(trial, STOPPED, 0)
        return len(left)

    def draw(self, most: int) -> Draw | None:
        """Begin the next trial; None if ``most`` have begun and none is to be tried again."""
        trials = self.trials
        is_waiting = any(trial.state == TrialState.WAITING for trial in trials)
        begun = sum(_RETRY_OF not in trial.user_attrs for trial in trials)
        most = min(most, len(self._grid)) if self._grid else most
        if not is_waiting and begun >= most:
            return None
        if self._grid and not is_waiting:
            point = self._grid[begun]
            labelled = {name: _label(value) for name, value in point.items()}
            self._study.enqueue_trial(labelled, {_POINT: begun})
        # of its number alone
        self._study.sampler = self._sampler(random.Random(f"{self._plan.seed} {len(trials)}"))
        trial = self._study.ask()
        return Draw(trial, self._suggest(trial))

    def report(self, draw: Draw, step: int, value: float) -> bool:
        """Enter a figure after ``step`` epochs; says whether the trial is to be given up."""
        draw.trial.report(value, step)
        return draw.trial.should_prune()

    def complete(self, draw: Draw, value: float) -> None:
        """Enter the figure of a trial that has ended well."""
        self._study.tell(draw.trial, value)

    def prune(self, draw: Draw) -> None:
        """Give a trial up."""
        self._study.tell(draw.trial, state=PRUNED)

    def fail(self, draw: Draw, why: str, *, is_lost: bool) -> bool:
        """Fail a trial; says whether it is tried again, which it is once if its ranks were lost."""
        frozen = self._study.trials[draw.trial.number]
        if is_lost and frozen.user_attrs.get(_LOSSES, 0) < _MOST_LOSSES:
            self._again(frozen, why, 1)
            return True
        self._fail(frozen, why)
        return False

    def best(self) -> FrozenTrial | None:
        """Give the best trial that has ended well, of equal ones the first."""
        done = [trial for trial in self.trials if trial.state == COMPLETE]
        sign = -1 if self._plan.is_greater_better else 1
        return min(done, key=lambda trial: sign * float(trial.value or 0), default=None)

    def importance(self) -> dict[str, float]:
        """Give the share of each parameter in what the good trials have in common.

        PED-ANOVA (Watanabe et al. 2023), Optuna's default, which knows of parameters that are not
        in every trial; empty with fewer than two trials that differ.
        """
        values = {trial.value for trial in self.trials if trial.state == COMPLETE}
        if len(values) < 2:  # noqa: PLR2004  nothing explains no difference
            return {}
        with warnings.catch_warnings():
            # of few trials; the page says so of any number
            warnings.simplefilter("ignore")
            return dict(optuna.importance.get_param_importances(self._study))

    def parameters_of(self, trial: FrozenTrial) -> dict[str, Any]:
        """Give a trial's parameters as the training takes them."""
        return {name: _value(self._plan.space[name], item) for name, item in trial.params.items()}

    def _again(self, trial: FrozenTrial, why: str, losses: int) -> None:
        # first the new one: a kill in between must not forget the trial
        if not any(other.user_attrs.get(_RETRY_OF) == trial.number for other in self.trials):
            times = trial.user_attrs.get(_LOSSES, 0) + losses
            fixed = trial.system_attrs.get("fixed_params", {})
            self._study.enqueue_trial(
                {**fixed, **trial.params}, {_RETRY_OF: trial.number, _LOSSES: times}
            )
        self._fail(trial, why)

    def _fail(self, trial: FrozenTrial, why: str) -> None:
        optuna.Trial(self._study, trial._trial_id).set_user_attr(_WHY, why)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._study.tell(trial.number, state=FAILED)

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        space, conditions = self._plan.space, self._plan.conditions
        found: dict[str, Any] = {}
        for name in in_order(space, conditions):
            if counts(name, {**self._plan.base, **found}, conditions):
                found[name] = _draw(trial, name, space[name])
        return found

    def _sampler(self, draw: random.Random) -> optuna.samplers.BaseSampler:
        seed = draw.randrange(2**31)
        if self._plan.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.RandomSampler(seed)


def why_failed(trial: FrozenTrial) -> str:
    """Give the reason of a trial that failed."""
    return str(trial.user_attrs.get(_WHY, ""))


def _grid(plan: Plan) -> Sequence[dict[str, Any]]:
    points = combinations(plan.space, plan.conditions, plan.base)
    random.Random(plan.seed).shuffle(points)
    return points


def _draw(trial: optuna.Trial, name: str, dimension: Range | Choice) -> Any:
    if isinstance(dimension, Choice):
        labels = [_label(value) for value in dimension.values]
        return _value(dimension, trial.suggest_categorical(name, labels))
    log, step = dimension.is_log, dimension.step
    if dimension.is_whole:
        low, high = int(dimension.low), int(dimension.high)
        return trial.suggest_int(name, low, high, step=int(step) or 1, log=log)
    return trial.suggest_float(name, dimension.low, dimension.high, step=step or None, log=log)


def _label(value: Any) -> Any:
    """What Optuna keeps of a value: lists as text."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def _value(dimension: Range | Choice, label: Any) -> Any:
    if isinstance(dimension, Choice):
        return next(value for value in dimension.values if _label(value) == label)
    return label
