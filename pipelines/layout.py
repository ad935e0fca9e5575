"""Where each thing of a data set lives under a root; the only module that joins such paths."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.storage.place import place
from schemas.contract import Layer


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one data set under one root: a local folder, or one on S3 or HDFS."""

    root: str
    dataset: str

    @property
    def base(self) -> Path:
        """Folder of the data set."""
        return place(self.root).absolute() / self.dataset

    def table(self, layer: Layer, source: str) -> str:
        """Delta table of one source at one layer; ``features`` has the main source only."""
        return str(self.base / layer / source)

    @property
    def quarantine(self) -> str:
        """Delta table of rows set aside, of all sources."""
        return str(self.base / "quarantine")

    @property
    def ledger(self) -> Path:
        """Delta table of rows by fate for each step, and of what has passed its checks."""
        return self.base / "ledger"

    @property
    def measures(self) -> Path:
        """Delta table of the numbers that checks rest on, of each version of each table."""
        return self.base / "measures"

    @property
    def predictions(self) -> str:
        """Delta table of scored rows."""
        return str(self.base / "predictions")

    @property
    def drift(self) -> Path:
        """Counts of references that later tables are held to, JSON."""
        return self.base / "drift"

    @property
    def drift_history(self) -> Path:
        """Delta table of looks at drift."""
        return self.base / "drift_history"

    @property
    def landing(self) -> Path:
        """Source files as they came, unpacked."""
        return self.base / "landing"

    @property
    def all_replays(self) -> Path:
        """Rows that were mended by hand, a folder for each source."""
        return self.base / "replays"

    def replays(self, source: str) -> Path:
        """Rows of one source that were mended by hand, and what they stand for."""
        return self.all_replays / source

    def scratch(self, step: str, fingerprint: str) -> Path:
        """Files of one execution of a step, which end with it."""
        return self.base / f".{step}-{fingerprint}"

    @property
    def states(self) -> Path:
        """Fitted states, JSON."""
        return self.base / "states"

    @property
    def quality(self) -> Path:
        """Great Expectations: suites, results, Data Docs."""
        return self.base / "quality"

    @property
    def trainings(self) -> Path:
        """One folder for each training: checkpoints, history, TensorBoard logs."""
        return self.base / "trainings"

    @property
    def compressions(self) -> Path:
        """One folder for each smaller form of a model, and what it lost."""
        return self.base / "compressions"

    @property
    def ensembles(self) -> Path:
        """One folder for each model that was made of several."""
        return self.base / "ensembles"

    def folds(self, fingerprint: str) -> Path:
        """One folder for each fold of a cross-validation: a root of its own."""
        return self.base / "folds" / fingerprint

    @property
    def searches(self) -> Path:
        """Root of the trials of each search for parameters."""
        return self.base / "searches"

    @property
    def steps(self) -> Path:
        """One JSON record for each finished step: inputs, outputs, rows by fate."""
        return self.base / "steps"

    @property
    def reports(self) -> Path:
        """HTML pages for people."""
        return self.base / "reports"

    @property
    def quality_pages(self) -> Path:
        """Pages of checks: one for each run, and the index of all."""
        return self.reports / "quality"

    @property
    def drift_pages(self) -> Path:
        """Pages of drift, one folder each."""
        return self.reports / "drift"

    @property
    def registry(self) -> Path:
        """Model registry of all data sets under the root."""
        return place(self.root).absolute() / "registry"
