"""Rows that break a check of severity ``quarantine``: marked before a table is written."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.errors import DataQualityError
from pipelines.quality.checks import single_checks
from pipelines.quality.measures import breaks, broken_name
from pipelines.step import FATE, Fates
from schemas.contract import TableSpec

KEPT = "kept"
QUARANTINED = "quarantined:"


def mark_broken(marked: DataFrame, spec: TableSpec) -> tuple[DataFrame, tuple[str, ...]]:
    """Give rows that were to be kept and break such a check the fate ``quarantined:CHECK``.

    Args:
        marked: Rows with a string column ``_fate``.
        spec: Contract of the table that they are to be written to.

    Returns:
        The same rows in the same order, and the fates that may have been given. A row that breaks
        several checks has the fate of the first.
    """
    checks = [check for check in single_checks(spec) if check.severity == "quarantine"]
    if not checks:
        return marked, ()
    fate = F.lit(KEPT)
    for check in reversed(checks):
        fate = F.when(breaks(check), QUARANTINED + broken_name(check)).otherwise(fate)
    told = F.when(F.col(FATE) == KEPT, fate).otherwise(F.col(FATE))
    return marked.withColumn(FATE, told), tuple(QUARANTINED + broken_name(c) for c in checks)


def check_shares(table: str, fates: Fates, spec: TableSpec) -> None:
    """Hold the rows set aside by each check to the share that it allows.

    Raises:
        DataQualityError: Fewer than ``mostly`` of the rows read keep a check.
    """
    for check in single_checks(spec):
        count = fates.quarantined.get(broken_name(check), 0)
        if check.severity == "quarantine" and count > (1 - check.mostly) * fates.read:
            raise DataQualityError(
                f"{table}: {count} of {fates.read} rows break {broken_name(check)}; expected at "
                f"most {1 - check.mostly:.6g} of them ({check.reason or 'no reason given'}). They "
                "were set aside, and the table counts as unchecked: mend the source, or the check"
            )
