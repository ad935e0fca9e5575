"""A part of a table, by time: what a run by interval replaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from pipelines.errors import ContractError
from pipelines.spark.schema import check_columns
from pipelines.tables.delta import last_version, read_table
from pipelines.tables.version import TableVersion
from pipelines.tables.write import WHOLE, Part
from schemas.contract import Source, TableSpec
from schemas.interval import Span


@dataclass(frozen=True, slots=True)
class Slice:
    """What is replaced of the tables of a data set: an interval; all of them if it is None."""

    span: Span | None

    def part(self, source: Source) -> Part:
        """Give the part of a source's table; all of a table without intervals."""
        if not source.interval:
            return WHOLE
        return Part(source.time, self.span.condition(source.time) if self.span else "")

    def superseded(self, digests: Mapping[str, Sequence[str]], dated: Sequence[str]) -> str:
        """Say which rows of the quarantine a run stands for, as SQL; all if empty.

        Rows whose time lies in the interval. Rows without a time, if their file had the same bytes
        or if the same interval was read: so each stands once, however many intervals read its file.

        Args:
            digests: Digests of the files that were read, by source.
            dated: Sources that are written by interval; all rows of the others are superseded.
        """
        if self.span is None:
            return ""
        conditions: list[str] = []
        for name, some in digests.items():
            of_source = f"source = '{name}'"
            if name in dated:
                said = ", ".join(f"'{digest}'" for digest in some)
                same = f"interval = '{self.span}' OR file_digest IN ({said})"
                inside = self.span.condition("event_time")
                of_source += f" AND (({inside}) OR (event_time IS NULL AND ({same})))"
            conditions.append(f"({of_source})")
        return " OR ".join(conditions)


def require_part(
    spark: SparkSession, path: str, part: Part, contract: TableSpec, num_rows: int
) -> TableVersion | None:
    """Raise unless the table at ``path`` can take a part, with rows in place of those there.

    Args:
        spark: The session.
        path: Folder of the table; it may be absent.
        part: What is to be replaced.
        contract: Of the table.
        num_rows: Rows that come in their place.

    Returns:
        The version that was looked at; None without a table, or if all of it is replaced.

    Raises:
        ContractError: The table has other columns, or its rows of the part would be gone.
    """
    known = last_version(path)
    if not part.condition or known is None:
        return None
    rows = read_table(spark, known)
    title = f"{contract.dataset}: source {contract.name}"
    check_columns(
        rows.schema,
        contract.columns,
        f"{title}: {known} can't be replaced by interval; ingest all of it once, without "
        "--interval-start and --interval-end",
    )
    there = 0 if num_rows else rows.where(part.condition).count()
    if there:
        raise ContractError(
            f"{title}: expected rows where {part.condition}; its files have no good one, and "
            f"{there} rows of {known} would be gone. Give the files of that interval by "
            f"--sources {contract.name}=PATH; nothing was written"
        )
    return known
