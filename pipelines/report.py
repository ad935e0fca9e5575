"""Make one HTML page of a run, from the records of its steps, for a person to read."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

from pipelines.cli import param
from pipelines.errors import GristmillError, ParameterError
from pipelines.layout import Layout
from pipelines.reporting.page import Subject, render_page
from pipelines.reporting.run_record import Run, read_run
from pipelines.spark.session import check_java
from pipelines.state import fingerprint, write_bytes
from pipelines.step import StepResult
from schemas.catalog import dataset

_PACKAGES = (
    "delta-spark",
    "great-expectations",
    "horovod",
    "keras",
    "mlflow",
    "numpy",
    "pandas",
    "petastorm",
    "pyarrow",
    "pyspark",
    "scikit-learn",
    "tensorflow-cpu",
)


@dataclass(frozen=True, slots=True)
class ReportParams:
    """Make the page of a run from the JSON records of its steps."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    steps: tuple[str, ...] = param("JSON records of steps, or of a whole run")


def run(params: ReportParams) -> StepResult:
    """Write the page; the same records give the same path, and the page is made anew.

    Raises:
        ParameterError: No record is given, one can't be read, or it is of another data set.
    """
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    record = read_run(params.steps)
    _check(params, record)
    said = [(result.step, result.fingerprint) for result in record.ordered]
    name = fingerprint(spec.fingerprint(), said, record.error, record.facts)
    folder = layout.reports / name
    subject = Subject(
        dataset=spec.name,
        title=spec.title,
        question=spec.question,
        contract=spec.fingerprint(),
        page_folder=folder,
        quality=layout.quality,
        software=describe_software(),
    )
    page = folder / "index.html"
    write_bytes(page, render_page(record, subject).encode())
    return StepResult("report", spec.name, name, files={"report": str(page)})


def describe_software() -> dict[str, str]:
    """Give the versions of Python, Java and the packages that decide results."""
    try:
        java = str(check_java())
    except GristmillError:
        java = "none that Spark can run on"
    found = {"Python": platform.python_version(), "Java": java, "system": platform.platform()}
    return found | {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except ModuleNotFoundError:
        return "not installed"


def _check(params: ReportParams, record: Run) -> None:
    if not record.steps and not record.error:
        raise ParameterError(
            "--steps: expected at least one JSON record of a step; got none. Records are in the "
            "folder steps/ of the data set's root"
        )
    others = sorted({item.dataset for item in record.steps.values()} - {params.dataset})
    if others:
        raise ParameterError(
            f"--steps: expected records of the data set {params.dataset}; got some of {others}"
        )
