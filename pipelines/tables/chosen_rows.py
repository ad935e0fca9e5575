"""Some rows of one pinned table: a split, and simple conditions."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from pipelines.errors import TableError
from pipelines.spark.rows_where import rows_where
from pipelines.tables.delta import commit_digest, read_table
from pipelines.tables.version import TableVersion
from schemas.contract import SPLIT_COLUMN

ALL = "all"


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """Rows of ``table`` in ``split`` that keep all conditions: column, sign and value as text."""

    table: TableVersion
    split: str = ALL
    conditions: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        said = [f"split {self.split}"] if self.split != ALL else []
        return " and ".join([*said, *map(" ".join, self.conditions)]) or "all rows"

    @property
    def pinned(self) -> tuple[str, str, str]:
        """All that decides which rows these are, whatever is written to the path later."""
        return str(self.table), commit_digest(self.table), str(self)

    def read(self, spark: SparkSession, columns: tuple[str, ...]) -> DataFrame:
        """Give ``columns`` of the rows.

        Raises:
            TableError: The table lacks some of them.
            ParameterError: A condition names no column.
        """
        rows = read_table(spark, self.table)
        if missing := sorted({*columns} - {*rows.columns}):
            raise TableError(
                f"{self.table}: expected the columns {missing}; it has {rows.columns}. Give a "
                "table of this contract"
            )
        wanted = [*self.conditions]
        if self.split != ALL:
            wanted.append((SPLIT_COLUMN, "=", self.split))
        return rows_where(rows, wanted, str(self.table)).select(*columns)
