"""The rules that a contract can state for its tables."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "quarantine"]
Rule: TypeAlias = Literal[
    "not_null", "unique", "between", "length", "in_set", "matches", "finite", "at_most", "sql",
    "in_table", "increasing", "row_count", "distinct_count", "sum", "mean", "quantile", "fresh",
    "columns", "types", "quarantined", "no_gaps", "distribution", "expectation",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One rule that a table must keep.

    ``minimum`` and ``maximum`` bound a value (``between``), the length of a text (``length``), the
    number of rows (``row_count``) or of distinct values (``distinct_count``), a ``sum``, a ``mean``
    or the value below which a share ``quantile`` of all values lies. Rules of rows:

    - ``at_most`` takes two columns: the first is not greater than the second, where both are there;
    - ``sql``: a Spark SQL expression over the table's columns is true or null in each row;
    - ``in_table``: values occur in ``other``, a ``table.column`` of the same layer;
    - ``increasing`` takes two columns: the first never falls where rows are ordered by the second.

    Rules of the whole table:

    - ``fresh``: the newest value is at most ``maximum`` hours older than the table's commit;
    - ``quarantined``: number of rows set aside while the table was written;
    - ``no_gaps``: between the first and the last interval of the source's time at most ``maximum``
      (by default none) are without rows;
    - ``distribution``: a ``measure`` of how far a column is from a reference (``psi``,
      ``jensen_shannon``, ``ks`` or ``chi_square``) is at most ``maximum``, or its p-value (``ks``,
      ``chi_square``) at least ``minimum``. The ``reference`` is the ``last`` version that passed,
      the rows of the split ``train`` for all others, or the version that the ``champion`` was
      trained on; while there is none, it passes. Or it is stated as ``fractions`` of all rows: of
      numbers by ascending upper end, included, the last infinite; of texts by category, the rest
      being all others; None for nulls. ``counted`` is set by the check itself;
    - ``columns``: these columns in this order; ``types``: each of its declared type;
    - ``expectation``: any other of Great Expectations, by the name of its class; ``arguments``.

    ``last`` makes bounds of a number of the table relative to the same number of the last so many
    versions that passed: ``minimum`` and ``maximum`` are then shares of their mean, or with
    ``sigmas`` it may lie so many standard deviations from it. While there are none, it passes.

    ``interval="newest"`` makes a ``row_count``, ``sum`` or ``mean`` that of the newest interval of
    the source's time; ``last`` then looks at the intervals before it in the same version.

    ``mostly`` is the least share of rows that must pass, in (0, 1]; only rules of rows have it.
    With severity ``quarantine`` rows that break the rule are set aside before the table is written,
    and less than ``mostly`` of good ones is an error. ``owner`` is who to ask when it fails.
    """

    rule: Rule
    columns: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str | int, ...] = ()
    pattern: str = ""
    sql: str = ""
    other: str = ""
    quantile: float | None = None
    last: int = 0
    sigmas: float | None = None
    interval: str = ""
    measure: Literal["", "psi", "jensen_shannon", "ks", "chi_square"] = ""
    reference: Literal["", "last", "train", "champion"] = ""
    fractions: tuple[tuple[str | float | None, float], ...] = ()
    counted: int = 0
    expectation: str = ""
    arguments: tuple[tuple[str, str | float | int | bool], ...] = ()
    mostly: float = 1.0
    severity: Severity = "error"
    reason: str = ""
    owner: str = ""
