"""Search for the parameters of a training that validate best; trials side by side on ranks.

A trial is a training like any other, under the same root: it is recorded, goes on from its
checkpoint after a kill, and asked for again by ``train`` it is there. Trials are judged by the
validation split; the test split is not read.
"""

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, TypeAlias, get_type_hints

from pipelines.cli import param
from pipelines.errors import ParameterError, TrainingError
from pipelines.given_networks import resolve_start
from pipelines.layout import Layout
from pipelines.lock import hold_lock
from pipelines.registry.address import check_address
from pipelines.registry.postgresql import connect_postgresql, lock_database
from pipelines.reporting.search_page import render_search
from pipelines.state import fingerprint, read_features, read_json, write_bytes, write_json
from pipelines.step import StepKey, StepResult, once, step_key
from pipelines.storage.place import RemotePath, place
from pipelines.training.command import command_of
from pipelines.training.comparable import (
    DEFAULTS,
    IS_GREATER_BETTER,
    LOG_LOSS,
    check_figure,
    figure_of,
)
from pipelines.training.parameters import COUNTS_WITH, PLACES, TrainParams
from pipelines.tuning.space import Choice, Space, combinations, read_space
from pipelines.tuning.study import PRUNERS, SAMPLERS, Plan, Study, why_failed
from pipelines.tuning.trials import Report, Trials

Train: TypeAlias = Callable[[TrainParams, int, Report], StepResult]
_SCHEMA = "gristmill_searches"
_MOST_TRIALS = 100_000
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class SearchParams:
    """Search for the parameters of train that validate best; the test split is not used."""

    dataset: str = param("name of the data set")
    features: str = param("features table pinned to a version, like lake/.../flights@v0")
    state: str = param("features state, the JSON file that engineer_features wrote")
    space: str = param(
        'what varies, a JSON file: {"hidden": [[64], [128, 64]], "learning_rate": {"low": 0.001, '
        '"high": 0.1, "log": true}, "dropout": {"low": 0, "high": 0.5, "step": 0.1}}'
    )
    root: str = param("folder of all data sets", "lake")
    trials: int = param("how many in all; a greater number later goes on", 20)
    sampler: str = param(f"one of {', '.join(SAMPLERS)}", "tpe")
    pruner: str = param(
        f"one of {', '.join(PRUNERS)}; median gives a trial up whose best validation so far is "
        "worse than the median of the others after as many epochs",
        "median",
    )
    startup_trials: int = param("trials that are not given up, before the median decides", 5)
    metric: str = param(
        f"figure of the validation: one of {', '.join(IS_GREATER_BETTER)}; by default log_loss, of "
        "a number rmse",
        "",
    )
    np: int = param("ranks there are: so many run at once", 2)
    trial_np: int = param("ranks of one trial", 1)
    search_seed: int = param("of what is drawn; the trials' own is --seed", 1)
    registry: str = param(
        "database of the trials and of --start-from: postgresql://USER@HOST/NAME on this machine; "
        "empty for SQLite",
        "",
    )
    cache: str = param("folder for the local copies of remote tables", "")

    def __post_init__(self) -> None:
        bounds = {
            "trials": (1, _MOST_TRIALS),
            "startup_trials": (1, _MOST_TRIALS),
            "np": (1, 1024),
            "trial_np": (1, self.np),
            "search_seed": (0, 2**31 - 1),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(
                    f"expected --{name.replace('_', '-')} from {low} to {high}; got "
                    f"{getattr(self, name)}"
                )
        if self.np % self.trial_np:
            raise ParameterError(
                f"expected --np to be a multiple of --trial-np {self.trial_np}; got {self.np}"
            )
        for name, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, name) not in known:
                raise ParameterError(
                    f"expected --{name} to be one of {', '.join(known)}; got {getattr(self, name)}"
                )
        if self.metric:
            check_figure(self.metric)


def run(params: SearchParams, base: dict[str, Any], train: Train) -> StepResult:
    """Search until there are as many trials as asked for; what is there already is not repeated.

    Args:
        params: Of the search.
        base: Parameters of the training that are the same in all trials.
        train: Trains on so many ranks, calls back with the figures of all epochs so far until
            that says True, then ends the ranks and raises ``StoppedError``.

    Raises:
        ParameterError: The space names an unknown parameter, or a value that train refuses.
        StateError: A file is damaged.
        TrainingError: No trial has ended well; with the reason of the first that failed.
    """
    check_address(params.registry)
    if "start_from" in base:
        base = {**base, "start_from": _start(params, base["start_from"])}
    space = _space(params, base)
    layout = Layout(params.root, params.dataset)
    target = read_features(place(params.state)).target  # says what to do if it is not there
    params = replace(params, metric=params.metric or DEFAULTS.get(target.kind, LOG_LOSS))
    state = fingerprint(read_json(place(params.state)))
    how = (params.sampler, params.pruner, params.startup_trials, params.metric, params.search_seed)
    decides = (params.features, state, _plain(space), base, how)
    study_name = step_key("search", layout, *decides)
    key = step_key("search", layout, *decides, params.trials)
    plan = Plan(
        space, COUNTS_WITH, {**_defaults(), **base}, params.sampler, params.pruner,
        params.startup_trials, params.search_seed, IS_GREATER_BETTER[params.metric],
    )  # fmt: skip

    def make() -> StepResult:
        with _locked(params, layout, study_name.fingerprint):
            url, options = _database(params.registry, layout)
            study = Study(url, options, f"{params.dataset}-{study_name.fingerprint}", plan)
            Trials(
                study,
                lambda chosen, report: train(
                    _trial(params, {**base, **chosen}), params.trial_np, report
                ),
                partial(figure_of, name=params.metric),
            ).run(params.trials, params.np // params.trial_np)
            return _sum_up(params, base, study, key)

    return once(key, make, lambda known: all(place(p).is_file() for p in known.files.values()))


def _space(params: SearchParams, base: dict[str, Any]) -> Space:
    path = place(params.space)
    if not path.is_file():
        raise ParameterError(f"--space: expected a JSON file; found none at {params.space!r}")
    hints = get_type_hints(TrainParams)
    space = read_space(read_json(path), {n: hints[n] for n in hints if n not in PLACES})
    both = sorted(space.keys() & base.keys())
    if both:
        raise ParameterError(f"expected {both} as flags or in --space; got both")
    if params.sampler == "grid":
        combinations(space, COUNTS_WITH, {**_defaults(), **base})
    _trial(params, base)  # refuses what does not fit together
    if isinstance(starts := space.get("start_from"), Choice):
        space["start_from"] = Choice(tuple(_start(params, named) for named in starts.values))
    return space


def _start(params: SearchParams, named: str) -> str:
    """Give the file of a model to start from: one for all trials, whoever is crowned meanwhile."""
    asked = replace(_trial(params, {"start_from": named}), registry=params.registry)
    return resolve_start(asked).start_from


def _trial(params: SearchParams, chosen: dict[str, Any]) -> TrainParams:
    return TrainParams(
        params.dataset, params.features, params.state, params.root, cache=params.cache, **chosen
    )


def _defaults() -> dict[str, Any]:
    return {item.name: item.default for item in fields(TrainParams) if item.name not in PLACES}


def _plain(space: Space) -> dict[str, Any]:
    return {name: asdict(item) for name, item in space.items()}


@contextmanager
def _locked(params: SearchParams, layout: Layout, name: str) -> Generator[None]:
    """One process a study: trials of another that runs would look like ones that were left."""
    what = f"the search {name}"
    if isinstance(layout.searches, RemotePath):
        with lock_database(params.registry, what, _WAIT_S):
            yield
    else:
        with hold_lock(layout.searches / f".{name}.lock", what, _WAIT_S):
            yield


def _database(registry: str, layout: Layout) -> tuple[str, dict[str, str]]:
    """Give SQLAlchemy's address and options of the driver."""
    if not registry:
        if isinstance(layout.searches, RemotePath):
            raise ParameterError(
                f"--registry: expected postgresql://USER@HOST/NAME with the root {layout.root}; "
                "got none, and SQLite needs a local disk"
            )
        return f"sqlite:///{layout.searches / 'searches.db'}", {}
    # MLflow has a table of Optuna's name in the same database
    with closing(connect_postgresql(registry)) as connection, connection, connection.cursor() as do:
        do.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
    address = registry.partition("://")[2]
    return f"postgresql+psycopg2://{address}", {"options": f"-csearch_path={_SCHEMA}"}


def _sum_up(params: SearchParams, base: dict[str, Any], study: Study, key: StepKey) -> StepResult:
    best = study.best()
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "parameters": study.parameters_of(trial),
            "epochs": {str(step): value for step, value in trial.intermediate_values.items()},
            "why": why_failed(trial),
        }
        for trial in study.trials
    ]
    if best is None:
        why = next((str(trial["why"]) for trial in trials if trial["why"]), "all were given up")
        raise TrainingError(f"none of {len(trials)} trials has ended well: {why}")
    chosen = {**base, **study.parameters_of(best)}
    details: dict[str, Any] = {
        "metric": params.metric,
        "is_greater_better": IS_GREATER_BETTER[params.metric],
        "best": {"trial": best.number, "value": best.value, "parameters": chosen},
        "command": command_of(_trial(params, chosen), params.trial_np),
        "importance": study.importance(),
        "counts": {
            state: sum(trial["state"] == state for trial in trials)
            for state in ("complete", "pruned", "fail")
        },
    }
    shown = {**details, "parameters": asdict(params), "base": base, "trials": trials}
    record = key.layout.searches / f"{key.fingerprint}.json"
    write_json(record, shown)
    page = key.layout.reports / f"search-{key.fingerprint}" / "index.html"
    write_bytes(page, render_search(shown, params.dataset).encode())
    files = {"summary": str(record), "report": str(page)}
    return StepResult("search", params.dataset, key.fingerprint, files=files, details=details)
