"""Count the rows of a source that are malformed, and refuse a file of which too many are."""

from collections import Counter
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.errors import ContractError
from pipelines.sources.inspect_files import SourceFile
from pipelines.sources.replays import PREFIX
from pipelines.sources.settle import OPEN
from schemas.contract import Source

_MAX_REASONS = 3
_PLACE = ("source_file", "position", "detail")


def count_malformed(
    title: str, source: Source, files: Sequence[SourceFile], malformed: DataFrame
) -> Counter[tuple[str, str]]:
    """Count rows that were set aside, by status and rule, but for those outside of the interval.

    The share of a file that may be malformed is one of all its rows, whichever interval is read.

    Args:
        title: Data set and source, for errors.
        source: Contract of the source.
        files: Its files. Of the rows of a replay, any number may be malformed again.
        malformed: As ``pipelines.sources.settle.quarantined`` gives them.

    Raises:
        ContractError: A larger share of a file's rows is malformed than the contract allows.
    """
    by = ("source_file", "status", "rule", "is_outside")
    rows = malformed.groupBy(*by).count().collect()
    counts: Counter[tuple[str, str]] = Counter()
    in_file: Counter[str] = Counter()
    for row in rows:
        counts[row["status"], row["rule"]] += 0 if row["is_outside"] else row["count"]
        in_file[row["source_file"]] += row["count"] if row["status"] == OPEN else 0
    for file in files:
        share = in_file[file.name] / file.num_rows
        if share > source.max_malformed_share and not file.name.startswith(PREFIX):
            mine = malformed.where(F.col("source_file") == file.name)
            raise ContractError(
                f"{title}: {file.path}: {in_file[file.name]} of {file.num_rows} rows ({share:.1%}) "
                f"are malformed; expected at most {source.max_malformed_share:.1%} "
                f"(max_malformed_share){first_reasons(mine)}. Mend the file, or the contract if "
                "that is wrong (types, delimiter, null_values); nothing was written"
            )
    return counts


def first_reasons(malformed: DataFrame) -> str:
    """Say the most frequent rules that open rows of ``malformed`` break, each with its first."""
    reasons = (
        malformed.where(F.col("status") == OPEN)
        .groupBy("rule")
        .agg(F.count("*").alias("n"), F.min(F.struct(*_PLACE)).alias("first"))
        .orderBy(F.desc("n"), "rule")
        .limit(_MAX_REASONS)
        .collect()
    )
    said = [
        f"{row['rule']} ({row['n']} rows, first {row['first']['source_file']} line "
        f"{row['first']['position']}: {row['first']['detail']})"
        for row in reasons
    ]
    return f": {'; '.join(said)}" if said else ""
