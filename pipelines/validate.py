"""Check tables against their contracts; close the gate on an error.

The verdict comes after a table is committed: versions are immutable, and the next job runs only
if this one ends well.
"""

import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from pyspark.sql import SparkSession

from pipelines.cli import param
from pipelines.errors import DataQualityError, ParameterError
from pipelines.layout import Layout
from pipelines.quality.report import QualityReport, read_report
from pipelines.spark.concurrent import map_tables
from pipelines.step import StepResult, once, read_record, step_key
from pipelines.tables.delta import commit_info, read_table
from pipelines.tables.ledger_table import account_for, written_by
from pipelines.tables.measures_table import keep_numbers, last_numbers
from pipelines.tables.version import TableVersion, parse_version
from schemas.catalog import dataset
from schemas.contract import Layer, TableSpec
from schemas.derive import table_spec

_MAX_SHOWN = 20
_MILLIS = 1000


@dataclass(frozen=True, slots=True)
class ValidateParams:
    """Check tables of one layer against the contract; exit 1 if a check of severity error fails."""

    dataset: str = param("name of the data set, a module of schemas")
    root: str = param("folder that holds all data sets, e.g. lake")
    inputs: tuple[str, ...] = param(
        "tables pinned to versions, e.g. lake/flights/raw/weather@v0; the last two parts of the "
        "path name layer and source"
    )


def run(spark: SparkSession, params: ValidateParams) -> StepResult:
    """Check each input and keep the reports; the same inputs are checked once.

    Raises:
        DataQualityError: A check of severity error failed, or a check could not be carried out.
            All inputs have been checked by then, and their reports are stored. A repeated run
            raises again.
        ParameterError: There are no inputs, or not all are of one layer.
        TableError: There is no such table or version.
    """
    layout = Layout(params.root, params.dataset)
    spec = dataset(params.dataset)
    tables = [parse_version(text) for text in params.inputs]
    layer = _layer(tables)
    specs = [table_spec(spec, layer, table.name) for table in tables]
    commits = [commit_info(table) for table in tables]
    contracts = [asdict(item) for item in specs]
    key = step_key(f"validate-{layer}", layout, contracts, list(params.inputs), commits)

    def make() -> StepResult:
        reports = _check(spark, tables, specs, layout)
        return StepResult(
            step=key.step,
            dataset=params.dataset,
            fingerprint=key.fingerprint,
            tables=params.inputs,
            files={"data_docs": str(layout.quality / "data_docs" / "index.html")},
            details={"reports": [asdict(report) for report in reports]},
        )

    result = once(key, make, lambda known: _has_pages(known, layout))
    # the mark that lets the next step read: last, when all that it rests on is stored
    account_for(result, layout)
    _close_gate(result, layout)
    return result


def _layer(tables: list[TableVersion]) -> Layer:
    found = {Path(table.path).parent.name for table in tables}
    if len(found) != 1 or not found <= set(get_args(Layer)):
        raise ParameterError(
            f"--inputs: expected one or more tables of one layer of {list(get_args(Layer))}, each "
            f"as <root>/<dataset>/<layer>/<source>@v<n>; got layers {sorted(found)}"
        )
    return cast("Layer", found.pop())


def _check(
    spark: SparkSession, tables: list[TableVersion], specs: list[TableSpec], layout: Layout
) -> tuple[QualityReport, ...]:
    # here, since its import takes seconds that --help and a reused result need not wait for
    from pipelines.quality.runner import Asked, Checked, check_table  # noqa: PLC0415
    from pipelines.quality.store import store_results  # noqa: PLC0415

    frames = {table.name: read_table(spark, table) for table in tables}

    def check(pair: tuple[TableVersion, TableSpec]) -> Checked:
        table, spec = pair
        asked = Asked(
            str(table),
            _ridden(table, layout),
            frames,
            last_numbers(layout, table, max(check.last for check in spec.checks)),
            datetime.fromtimestamp(commit_info(table)["timestamp"] / _MILLIS, UTC),
        )
        return check_table(frames[table.name], spec, asked)

    checked = map_tables(spark, check, list(zip(tables, specs, strict=True)))
    for table, item in zip(tables, checked, strict=True):
        keep_numbers(layout, table, item.numbers, passed=item.report.success)
    try:
        return store_results(checked, layout.quality)
    except OSError as error:
        said = [line for item in checked for line in _failures(item.report)]
        raise DataQualityError(
            f"{layout.dataset}: the quality reports can't be stored under {layout.quality}: "
            f"{error}. The tables count as unchecked; make the folder writable and run this step "
            "again" + "".join(f"\n  {line}" for line in said)
        ) from error


def _ridden(table: TableVersion, layout: Layout) -> dict[str, Any]:
    """Numbers that were measured while the version was written, from the record of its step."""
    commit = written_by(table)
    for path in layout.steps.glob(f"*-{commit}.json") if commit else ():
        record = read_record(path)
        if str(table) in record.tables:
            found = dict(record.numbers.get(table.name, {}))
            found["quarantined"] = sum(record.rows[table.name].quarantined.values())
            return {name: float(v) if isinstance(v, str) else v for name, v in found.items()}
    return {}


def _reports(result: StepResult) -> list[QualityReport]:
    return [read_report(value) for value in result.details["reports"]]


def _has_pages(result: StepResult, layout: Layout) -> bool:
    return all((layout.quality / report.data_docs).is_file() for report in _reports(result))


def _close_gate(result: StepResult, layout: Layout) -> None:
    reports = _reports(result)
    for report in reports:
        for check in report.failed("warning"):
            sys.stderr.write(f"warning: {report.table}: {check}\n")
    failed = [report for report in reports if not report.success]
    if not failed and len(reports) == len(result.tables) > 0:
        return
    lines: list[str] = []
    for report in failed:
        lines += [f"\n  {line}" for line in _failures(report)]
        lines.append(f"\n  see {layout.quality / report.data_docs}")
    raise DataQualityError(
        f"{result.dataset}: {len(failed)} of {len(result.tables)} tables break their contract; "
        "mend the source or the step that wrote the table, or change the check in "
        f"schemas/{result.dataset}.py, and run again:{''.join(lines)}"
    )


def _failures(report: QualityReport) -> list[str]:
    failed = report.failed("error")
    lines = [f"{report.table}: {check}" for check in failed[:_MAX_SHOWN]]
    if len(failed) > _MAX_SHOWN:
        lines.append(f"{report.table}: and {len(failed) - _MAX_SHOWN} more")
    return lines
