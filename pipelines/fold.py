"""Step fold: the split table as it is in one fold of a cross-validation.

The table of a fold has the columns of the split table it comes from, so every later step reads it
as it would that one, and learns what it learns from the fold's training rows only.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from pipelines.cli import param
from pipelines.errors import ContractError, ParameterError
from pipelines.layout import Layout
from pipelines.quality.riding import riding
from pipelines.state import write_json
from pipelines.step import FATE, StepKey, StepResult, once, step_key
from pipelines.storage.place import place
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import Target, check_fates, write_kept
from pipelines.tables.ledger_table import account_for, require_passed
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.folds import FATES, WAYS, Folds, fit_folds, mark_fold
from schemas.catalog import dataset
from schemas.contract import SPLIT_COLUMN, SPLITS, DatasetSpec, TimeSplit
from schemas.derive import main_columns, table_spec

_MOST_FOLDS = 100
_MOST_GAP_S = 1e10


@dataclass(frozen=True, slots=True)
class FoldParams:
    """Make the split table of one fold; what it holds out is its split 'test'."""

    dataset: str = param("name of the data set, a module of schemas/")
    root: str = param("folder of this fold's tables; another than that of the table it comes from")
    inputs: tuple[str, ...] = param("split table of the main source: PATH@vN")
    number: int = param("which fold, from 1")
    folds: int = param("how many folds there are", 5)
    by: str = param(
        f"one of {', '.join(WAYS)}: by a hash of the primary key; as many of each label in each "
        "fold; a group never in two folds; windows that grow, trained before what they hold out",
        "key",
    )
    columns: tuple[str, ...] = param(
        "the columns of a group; or the one of time, by default that of the split or of prediction",
        (),
    )
    validation_share: float = param(
        "of the rows that are not held out, those that choose the best epoch; by time the last",
        0.1,
    )
    gap_seconds: float = param(
        "by time: seconds before validation and before what is held out that nobody learns from",
        0.0,
    )
    seed: int = param("makes another cut of the same rows", 1)

    def __post_init__(self) -> None:
        bounds = {
            "folds": (2, _MOST_FOLDS),
            "number": (1, self.folds),
            "gap_seconds": (0, _MOST_GAP_S),
            "seed": (0, 2**31 - 1),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(
                    f"expected --{name.replace('_', '-')} from {low} to {high:g}; got "
                    f"{getattr(self, name)}"
                )
        if not 0 < self.validation_share < 1:
            raise ParameterError(
                f"expected --validation-share between 0 and 1; got {self.validation_share}"
            )
        if self.by not in WAYS:
            raise ParameterError(f"expected --by to be one of {', '.join(WAYS)}; got {self.by}")
        if self.by != "time" and self.gap_seconds:
            raise ParameterError("--gap-seconds counts only with --by time")
        if self.by in ("key", "label") and self.columns:
            raise ParameterError(
                f"--columns counts only with --by group or time; got --by {self.by}"
            )


def run(spark: SparkSession, params: FoldParams) -> StepResult:
    """Write the table of one fold; the same inputs give the same rows.

    Raises:
        ContractError: A part of the fold got no row, or there are no such columns.
        ParameterError: The fold would be written over the table it comes from.
    """
    spec = dataset(params.dataset)
    source = parse_versions(params.inputs, [spec.main.name])[spec.main.name]
    key = step_key("fold", Layout(params.root, spec.name), spec.fingerprint(), params)
    target = key.layout.table("split", spec.main.name)
    if place(source.path).absolute() == place(target):
        raise ParameterError(
            f"--root: expected a folder for this fold alone; got that of {source.path}, which the "
            "fold would be written over"
        )

    def make() -> StepResult:
        require_passed(params.inputs)
        return _fold(read_table(spark, source), spec, params, (key, source))

    return account_for(once(key, make, is_written), key.layout)


def folds_of(spec: DatasetSpec, params: FoldParams) -> Folds:
    """Give how the rows of a data set are cut.

    Raises:
        ContractError: A column is none of the split table's, or none says the time.
    """
    columns = params.columns or _DEFAULTS[params.by](spec)
    known = [column.name for column in main_columns(spec)]
    missing = [name for name in columns if name not in known]
    wanted = {"time": "one column", "group": "one or more columns"}.get(params.by, "a primary key")
    if missing or not columns or (params.by == "time" and len(columns) != 1):
        raise ContractError(
            f"folds by {params.by}: expected --columns with {wanted} of {known}; got "
            f"{missing or list(columns) or 'none'}"
        )
    return Folds(
        params.by, params.folds, columns, spec.label.name, params.seed,
        params.validation_share, params.gap_seconds,
    )  # fmt: skip


def _key_columns(spec: DatasetSpec) -> tuple[str, ...]:
    return spec.main.primary_key


def _no_columns(_: DatasetSpec) -> tuple[str, ...]:
    return ()


def _time_columns(spec: DatasetSpec) -> tuple[str, ...]:
    split = spec.split.column if isinstance(spec.split, TimeSplit) else ""
    time = split or spec.prediction_time or spec.main.time
    return (time,) if time else ()


_DEFAULTS: dict[str, Callable[[DatasetSpec], tuple[str, ...]]] = {
    "key": _key_columns, "label": _key_columns, "group": _no_columns, "time": _time_columns,
}  # fmt: skip


def _fold(
    rows: DataFrame, spec: DatasetSpec, params: FoldParams, about: tuple[StepKey, TableVersion]
) -> StepResult:
    key, source = about
    folds = folds_of(spec, params)
    state = fit_folds(rows, folds, spec.main.primary_key)
    contract = table_spec(spec, "split", spec.main.name)
    wanted = [column.name for column in contract.columns]
    # the rows have kept this contract in the table that they come from
    marked = mark_fold(rows, folds, state, params.number).select(*wanted, FATE)
    sizes = _sizes(marked, spec.name, params)
    target = Target(key.layout.table("split", spec.main.name), key.fingerprint)
    written = write_kept(marked, target, FATES, riding(contract, marked))
    check_fates(str(written.table), written.fates, num_input=count_rows(source))
    path = key.layout.states / f"{key.step}-{key.fingerprint}.json"
    fitted: dict[str, Any] = {"folds": asdict(folds), **asdict(state)}
    write_json(path, {"dataset": spec.name, "fingerprint": key.fingerprint, **fitted})
    return StepResult(
        key.step,
        spec.name,
        key.fingerprint,
        (str(written.table),),
        {spec.main.name: written.fates},
        {"state": str(path)},
        {"splits": sizes, "fold": params.number},
        numbers={spec.main.name: written.numbers},
    )


def _sizes(marked: DataFrame, name: str, params: FoldParams) -> dict[str, int]:
    counts = marked.groupBy(SPLIT_COLUMN).count().collect()
    found = {row[SPLIT_COLUMN]: row["count"] for row in counts}
    sizes = {split: found.get(split, 0) for split in SPLITS}
    empty = [split for split, size in sizes.items() if not size]
    if empty:
        raise ContractError(
            f"{name}: expected rows in each part of fold {params.number} of {params.folds} by "
            f"{params.by}; {empty} got none. Take fewer --folds, a smaller --gap-seconds, or "
            "columns with more groups; another --seed cuts otherwise"
        )
    return sizes
