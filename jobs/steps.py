"""The road of a data set as a declaration: which step follows which, and what each hands on.

The local run walks it in one process; ``jobs.render`` writes the same list down for a scheduler.
Modules of a step are imported when it runs: TensorFlow, Great Expectations and MLflow take seconds
each to load.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

from pyspark.sql import SparkSession

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.step import StepResult
from schemas.contract import DatasetSpec, Layer
from schemas.derive import imputed_sources

Engine: TypeAlias = Literal["spark", "ranks", "python"]
Part: TypeAlias = Literal["prepare", "train", "score", "report_quality", "maintain"]


@dataclass(frozen=True, slots=True)
class Feed:
    """A flag of a step, and what of an earlier step's result it takes.

    ``takes`` is a ``table`` by the name of its source (empty: the first one), all ``tables``, a
    ``file`` by the name that the step gave it, or the path of the step's ``record``. Feeds of one
    flag that ``is_list`` follow one another.
    """

    flag: str
    takes: Literal["table", "tables", "file", "record"]
    step: str
    name: str = ""
    is_list: bool = False


@dataclass(slots=True)
class Journey:
    """What one run was asked for and what its steps have said so far."""

    spec: DatasetSpec
    root: str
    num_processes: int
    sources: tuple[str, ...]
    registry: str
    spark: SparkSession
    results: dict[str, StepResult] = field(default_factory=dict)
    restarts: int = 0
    run: str = ""
    cache: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    explain: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """Paths of the data set under the root."""
        return Layout(self.root, self.spec.name)

    def file(self, step: str, name: str) -> str:
        """Give a file that a step has named."""
        return self.results[step].files[name]

    @property
    def features(self) -> str:
        """The pinned features table."""
        return self.results["engineer_features"].tables[0]

    def record(self, step: str) -> str:
        """Give the path of a step's record."""
        said = self.results[step]
        return str(self.layout.steps / f"{said.step}-{said.fingerprint}.json")

    def take(self, feed: Feed) -> tuple[str, ...]:
        """Give what ``feed`` takes of the results so far."""
        tables = self.results[feed.step].tables
        if feed.takes == "file":
            return (self.file(feed.step, feed.name),)
        if feed.takes == "record":
            return (self.record(feed.step),)
        if feed.takes == "tables":
            return tables
        return tables[:1] if not feed.name else (_named(tables, feed.name),)


@dataclass(frozen=True, slots=True)
class Step:
    """One step, the module of ``pipelines`` and the job of its name.

    ``tables`` gives the sources whose tables it makes anew; the last ones, if there are, are its
    ``inputs``. They are validated as ``layer`` when it is done. ``settings`` are flags that a run
    was asked for, ``scheduled`` those that only a scheduler gives. The error of a gate is its
    verdict: repeated, it says the same.
    """

    name: str
    part: Part
    engine: Engine = "spark"
    tables: Callable[[DatasetSpec], tuple[str, ...]] | None = None
    feeds: tuple[Feed, ...] = ()
    settings: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()
    layer: Layer | None = None
    is_gate: bool = False

    def run(self, journey: Journey) -> StepResult:
        """Run it in this process, with what the journey holds for its flags."""
        module: Any = import_module(f"pipelines.{self.name}")
        kind: Any = getattr(module, f"{self.name.title().replace('_', '')}Params")
        params = kind(journey.spec.name, root=journey.root, **_arguments(self, journey))
        if self.engine == "ranks":
            return module.launch_training(params, journey.num_processes, journey.restarts)
        return module.run(journey.spark, params) if self.engine == "spark" else module.run(params)


def feeds_of(step: Step, spec: DatasetSpec) -> tuple[Feed, ...]:
    """Give what the step takes; its input tables are those of the last step that made them."""
    names = step.tables(spec) if step.tables else ()
    made = [(name, _maker(step, spec, name)) for name in names]
    inputs = [Feed("inputs", "table", maker, name, True) for name, maker in made if maker]
    return (*inputs, *step.feeds)


def validation_of(step: Step) -> Step:
    """Give the step that checks the tables which ``step`` wrote."""
    tables = Feed("inputs", "tables", step.name, is_list=True)
    return Step("validate", step.part, feeds=(tables,), settings=("run", "registry"), is_gate=True)


def validate(journey: Journey, step: Step) -> StepResult:
    """Check the tables that ``step`` wrote; raises ``DataQualityError`` if one must not be used."""
    return validation_of(step).run(journey)


def _arguments(step: Step, journey: Journey) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(journey, name) for name in step.settings}
    if journey.cache and step.name in _CACHED:
        found["cache"] = journey.cache
    if step.name == "train":
        found |= journey.training
        if "start_from" in journey.training:
            found["registry"] = journey.registry
    if step.name == "explain":
        found["methods"] = journey.explain
    for feed in feeds_of(step, journey.spec):
        taken = journey.take(feed)
        found[feed.flag] = (*found.get(feed.flag, ()), *taken) if feed.is_list else taken[0]
    return found


def _named(tables: tuple[str, ...], name: str) -> str:
    return next(table for table in tables if table.partition("@")[0].rpartition("/")[2] == name)


def _maker(step: Step, spec: DatasetSpec, source: str) -> str:
    """The last step before ``step`` that makes a table of the source; empty if none does."""
    before = STEPS[: STEP_NAMES.index(step.name)]
    makers = [item.name for item in before if item.tables and source in item.tables(spec)]
    return makers[-1] if makers else ""


def _all(spec: DatasetSpec) -> tuple[str, ...]:
    return tuple(source.name for source in spec.sources)


def _main(spec: DatasetSpec) -> tuple[str, ...]:
    return (spec.main.name,)


_FEATURES = Feed("features", "table", "engineer_features")
_STATE = Feed("state", "file", "engineer_features", "state")
_MODEL = Feed("model", "file", "train", "model")
_METRICS = Feed("metrics", "file", "evaluate", "metrics")
_EXPLANATION = Feed("explanation", "file", "explain", "explanation")
_TRAINING = Feed("training", "record", "train")
_FILLS = Feed("states", "file", "impute", "state", is_list=True)
# they read a table without Spark: a remote one from a copy
_CACHED = ("train", "evaluate", "explain")
_INTERVAL = ("interval_start", "interval_end")

STEPS = (
    Step("ingest", "prepare", tables=_all, settings=("sources",), scheduled=_INTERVAL, layer="raw"),
    Step("deduplicate", "prepare", tables=_all, layer="deduplicated"),
    Step("split", "prepare", tables=_main, layer="split"),
    Step("impute", "prepare", tables=imputed_sources, layer="imputed"),
    Step("engineer_features", "prepare", tables=_all, layer="features"),
    Step("train", "train", "ranks", feeds=(_FEATURES, _STATE)),
    Step("evaluate", "train", "python", feeds=(_FEATURES, _STATE, _MODEL)),
    Step("explain", "train", "python", feeds=(_FEATURES, _STATE, _MODEL, _METRICS)),
    Step(
        "register",
        "train",
        "python",
        feeds=(_FEATURES, _STATE, _MODEL, _METRICS, _EXPLANATION, _TRAINING, _FILLS),
        settings=("registry",),
    ),
    Step("score", "score", feeds=(_FEATURES,), settings=("registry",)),
)
STEP_NAMES = tuple(step.name for step in STEPS)
# what a scheduler does besides, each a job that no step of the road waits for
REPORT_QUALITY = Step(
    "report_quality",
    "report_quality",
    feeds=(Feed("inputs", "table", "engineer_features"), Feed("predictions", "table", "score")),
    settings=("registry",),
    is_gate=True,
)
MAINTAIN = Step("maintain", "maintain", settings=("registry",))


def position(name: str, flag: str) -> int:
    """Give the place of a step in the road.

    Raises:
        ParameterError: There is no such step; names those there are.
    """
    if name not in STEP_NAMES:
        raise ParameterError(f"{flag}: expected a step among {list(STEP_NAMES)}; got {name!r}")
    return STEP_NAMES.index(name)
