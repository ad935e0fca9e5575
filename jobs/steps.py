"""The road of a data set as a declaration: which step follows which, and what each hands on.

The local run walks it in one process; a scheduler can render the same list as tasks. Modules of a
step are imported when it runs: TensorFlow, Great Expectations and MLflow take seconds each to load.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.step import StepResult
from schemas.contract import DatasetSpec, Layer
from schemas.derive import imputed_sources


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

    @property
    def layout(self) -> Layout:
        """Paths of the data set under the root."""
        return Layout(self.root, self.spec.name)

    def tables(self) -> dict[str, str]:
        """Give the last pinned table of each source."""
        found: dict[str, str] = {}
        for step in ("ingest", "deduplicate", "split", "impute"):
            if step in self.results:
                for table in self.results[step].tables:
                    found[Path(table.partition("@")[0]).name] = table
        return found

    def tables_of(self, *names: str) -> tuple[str, ...]:
        """Give the last pinned tables of the named sources."""
        tables = self.tables()
        return tuple(tables[name] for name in names)

    def file(self, step: str, name: str) -> str:
        """Give a file that a step has named."""
        return self.results[step].files[name]

    @property
    def features(self) -> str:
        """The pinned features table."""
        return self.results["engineer_features"].tables[0]

    def record(self, step: str) -> str:
        """Give the path of a step's record."""
        return str(self.layout.steps / f"{step}-{self.results[step].fingerprint}.json")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its function, and the layer that is validated when it is done."""

    name: str
    run: Callable[[Journey], StepResult]
    layer: Layer | None = None


def _ingest(journey: Journey) -> StepResult:
    from pipelines.ingest import IngestParams, run

    params = IngestParams(journey.spec.name, journey.root, journey.sources)
    return run(journey.spark, params)


def _deduplicate(journey: Journey) -> StepResult:
    from pipelines.deduplicate import DeduplicateParams, run

    inputs = journey.results["ingest"].tables
    return run(journey.spark, DeduplicateParams(journey.spec.name, journey.root, inputs))


def _split(journey: Journey) -> StepResult:
    from pipelines.split import SplitParams, run

    inputs = journey.tables_of(journey.spec.main.name)
    return run(journey.spark, SplitParams(journey.spec.name, journey.root, inputs))


def _impute(journey: Journey) -> StepResult:
    from pipelines.impute import ImputeParams, run

    inputs = journey.tables_of(*imputed_sources(journey.spec))
    return run(journey.spark, ImputeParams(journey.spec.name, journey.root, inputs))


def _engineer_features(journey: Journey) -> StepResult:
    from pipelines.engineer_features import EngineerFeaturesParams, run

    inputs = journey.tables_of(*[source.name for source in journey.spec.sources])
    params = EngineerFeaturesParams(journey.spec.name, journey.root, inputs)
    return run(journey.spark, params)


def validate(journey: Journey, step: Step) -> StepResult:
    """Check the tables that ``step`` wrote; raises ``DataQualityError`` if one must not be used."""
    from pipelines.validate import ValidateParams, run

    inputs = journey.results[step.name].tables
    params = ValidateParams(journey.spec.name, journey.root, inputs, journey.run, journey.registry)
    return run(journey.spark, params)


def _train(journey: Journey) -> StepResult:
    from pipelines.train import TrainParams, launch_training

    params = TrainParams(
        dataset=journey.spec.name,
        features=journey.features,
        state=journey.file("engineer_features", "state"),
        root=journey.root,
    )
    return launch_training(params, journey.num_processes, journey.restarts)


def _evaluate(journey: Journey) -> StepResult:
    from pipelines.evaluate import EvaluateParams, run

    params = EvaluateParams(
        dataset=journey.spec.name,
        root=journey.root,
        features=journey.features,
        state=journey.file("engineer_features", "state"),
        model=journey.file("train", "model"),
    )
    return run(params)


def _register(journey: Journey) -> StepResult:
    from pipelines.register import RegisterParams, run

    params = RegisterParams(
        dataset=journey.spec.name,
        root=journey.root,
        features=journey.features,
        state=journey.file("engineer_features", "state"),
        model=journey.file("train", "model"),
        metrics=journey.file("evaluate", "metrics"),
        training=journey.record("train"),
        states=(journey.file("impute", "state"),),
        registry=journey.registry,
    )
    return run(params)


def _score(journey: Journey) -> StepResult:
    from pipelines.score import ScoreParams, run

    params = ScoreParams(
        dataset=journey.spec.name,
        root=journey.root,
        features=journey.features,
        registry=journey.registry,
    )
    return run(journey.spark, params)


STEPS = (
    Step("ingest", _ingest, "raw"),
    Step("deduplicate", _deduplicate, "deduplicated"),
    Step("split", _split, "split"),
    Step("impute", _impute, "imputed"),
    Step("engineer_features", _engineer_features, "features"),
    Step("train", _train),
    Step("evaluate", _evaluate),
    Step("register", _register),
    Step("score", _score),
)
STEP_NAMES = tuple(step.name for step in STEPS)


def position(name: str, flag: str) -> int:
    """Give the place of a step in the road.

    Raises:
        ParameterError: There is no such step; names those there are.
    """
    if name not in STEP_NAMES:
        raise ParameterError(f"{flag}: expected a step among {list(STEP_NAMES)}; got {name!r}")
    return STEP_NAMES.index(name)
