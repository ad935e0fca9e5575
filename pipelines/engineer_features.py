"""Step engineer_features: joins, the past's traffic, and the table that training reads.

The table is written for its reader: float32 and int32 columns without nulls, one folder a split,
files of one row group and about the same size, rows in the order of a hash of their key so that any
stretch of the table is a fair sample of it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.cli import param
from pipelines.layout import Layout
from pipelines.quality.riding import riding
from pipelines.quality.set_aside import check_shares, mark_broken
from pipelines.spark.scratch import keep_rows, scratch_folder
from pipelines.state import write_json
from pipelines.step import FATE, StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import Target, check_fates, write_kept
from pipelines.tables.ledger_table import account_for, require_passed
from pipelines.tables.quarantine import set_aside
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.encode import encode, fit_encode
from pipelines.transforms.encode_arrays import byte_columns, input_columns
from pipelines.transforms.impute import fit_impute, impute
from pipelines.transforms.join import join
from pipelines.transforms.label import fit_target, type_label
from pipelines.transforms.roll import roll
from pipelines.transforms.split import add_derived
from schemas.catalog import dataset
from schemas.contract import SPLIT_COLUMN, ContractError, DatasetSpec
from schemas.derive import late_derived, late_imputes, table_spec
from schemas.target import BINARY

_ORDER = "_order"
_NO_LABEL = "filtered:no_label"
_MIN_FILES = 4
_MAX_RECORDS = "spark.sql.files.maxRecordsPerFile"


@dataclass(frozen=True, slots=True)
class EngineerFeaturesParams:
    """Make the features table: joins, rolling aggregates, scales, vocabularies, hashes, buckets."""

    dataset: str = param("name of the data set, a module of schemas/")
    root: str = param("folder of all tables")
    inputs: tuple[str, ...] = param(
        "the last table of each source: imputed where there is one, else deduplicated: PATH@vN"
    )
    rows_per_file: int = param("rows of a file and of its one row group, at most", 32_768)


def run(spark: SparkSession, params: EngineerFeaturesParams) -> StepResult:
    """Engineer the features of a data set; what is fitted is fitted on the training split only."""
    spec = dataset(params.dataset)
    inputs = parse_versions(params.inputs, [source.name for source in spec.sources])
    key = step_key("engineer_features", Layout(params.root, spec.name), spec.fingerprint(), params)

    def make() -> StepResult:
        require_passed(params.inputs)
        # joins and windows feed a dozen fits and one write
        with scratch_folder(key.layout.scratch(key.step, key.fingerprint)) as folder:
            wide = keep_rows(_widen(spark, spec, inputs), folder)
            return _make_features(spark, spec, wide, key, (inputs[spec.main.name], params))

    return account_for(once(key, make, is_written), key.layout)


def _widen(spark: SparkSession, spec: DatasetSpec, inputs: dict[str, TableVersion]) -> DataFrame:
    rows = read_table(spark, inputs[spec.main.name])
    for how in spec.joins:
        rows = join(rows, read_table(spark, inputs[how.source]), how)
    rows = add_derived(rows, late_derived(spec))
    rolled = roll(rows, spec.rollings, spec.main.long_key, count_rows(inputs[spec.main.name]))
    needed = _needed(spec)
    return rolled.select([name for name in rolled.columns if name in needed])


def _needed(spec: DatasetSpec) -> set[str]:
    """Columns that fills, encodings and the features table read; it makes the others itself."""
    numbers, words = input_columns(spec.encodes)
    imputes = late_imputes(spec)
    filled = {name for item in imputes for name in (item.column, *item.by)}
    kept = {column.name for column in table_spec(spec, "features", spec.main.name).columns}
    return {*numbers, *words, *byte_columns(spec.encodes), *filled, *kept, spec.main.time}


def _make_features(
    spark: SparkSession,
    spec: DatasetSpec,
    wide: DataFrame,
    key: StepKey,
    source: tuple[TableVersion, EngineerFeaturesParams],
) -> StepResult:
    main, params = source
    primary_key, label = spec.main.long_key, spec.label.name
    wide = type_label(wide, spec.label)
    train = wide.where((F.col(SPLIT_COLUMN) == "train") & F.col(label).isNotNull())
    fills = fit_impute(train, late_imputes(spec), primary_key)
    filled = impute(wide, fills, spec.main.time, spark)
    state = fit_encode(impute(train, fills, spec.main.time, spark), spec.encodes, primary_key)
    contract = table_spec(spec, "features", spec.main.name)
    columns = [column.name for column in contract.columns]
    made = {feature.name for feature in state.columns(spec.encodes)}
    kept = tuple(name for name in columns if name not in made)
    encoded = encode(filled, spec.encodes, state, kept)
    num_rows = count_rows(main)
    ordered = _order(_mark(encoded, label), spec, num_rows, params.rows_per_file)
    target = Target(key.layout.table("features", spec.main.name), key.fingerprint, (SPLIT_COLUMN,))
    rows, broken = mark_broken(ordered.select(*columns, FATE), contract)
    with _files_of(spark, params.rows_per_file):
        written = write_kept(rows, target, (_NO_LABEL, *broken), riding(contract, rows))
    table = written.table
    check_fates(str(table), written.fates, num_input=num_rows)
    set_aside(spark, key, {spec.main.name: (rows, written)})
    check_shares(str(table), written.fates, contract)
    features = [asdict(feature) for feature in state.columns(spec.encodes)]
    state_path = key.layout.states / f"{key.step}-{key.fingerprint}.json"
    record: dict[str, Any] = {
        "dataset": spec.name,
        "fingerprint": key.fingerprint,
        "contract": spec.fingerprint(),
        "table": str(table),
        "label": label,
        "primary_key": list(primary_key),
        "features": features,
        "fills": [asdict(fill) for fill in fills],
        "encode": asdict(state),
    }
    if (learned := fit_target(train, spec.label)) != BINARY:
        record["target"] = asdict(learned)
    write_json(state_path, record)
    return StepResult(
        key.step, spec.name, key.fingerprint, (str(table),), {spec.main.name: written.fates},
        {"state": str(state_path)}, {"num_features": len(features)},
        numbers={spec.main.name: written.numbers},
    )  # fmt: skip


@contextmanager
def _files_of(spark: SparkSession, rows: int) -> Generator[None]:
    """Have each file written inside hold so many rows at most."""
    limit = spark.conf.get(_MAX_RECORDS, "0")
    spark.conf.set(_MAX_RECORDS, rows)
    try:
        yield
    finally:
        spark.conf.set(_MAX_RECORDS, limit or "0")


def _mark(encoded: DataFrame, label: str) -> DataFrame:
    fate = F.when(F.col(label).isNull(), _NO_LABEL).otherwise("kept")
    return encoded.withColumn(FATE, fate)


def _order(rows: DataFrame, spec: DatasetSpec, num_rows: int, rows_per_file: int) -> DataFrame:
    if rows_per_file < 1:
        raise ContractError(f"rows_per_file: expected 1 or more; got {rows_per_file}")
    num_files = max(_MIN_FILES, -(-num_rows // rows_per_file))
    shuffled = rows.withColumn(_ORDER, F.xxhash64(*spec.main.long_key))
    placed = shuffled.repartition(num_files, F.col(_ORDER))
    return placed.sortWithinPartitions(SPLIT_COLUMN, _ORDER)
