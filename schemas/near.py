"""Rows that say nearly the same: how alike, and what becomes of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

TokensBy: TypeAlias = Literal["word", "character"]


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Texts that are nearly copies of one another, looked for when the split is made.

    Two texts are near if their sets of ``shingle`` consecutive tokens, cleaned and cut as
    ``Tokens`` does, have a Jaccard similarity (shared over all) of at least ``similarity``. They
    are found by MinHash: a pair just that similar is missed once in a thousand.

    ``across`` says what becomes of rows that are near to a row of a later split, where what was
    learned from them would be known to the exam: training rows near to a validation or test row,
    and validation rows near to a test row. ``within`` says the same of rows near to an earlier one
    (by their key) of their own split, but for the test split, which stays as it was given. What is
    filtered has the rule ``near_other_split`` or ``near_duplicate``; both are counted and said
    either way.
    """

    column: str
    similarity: float = 0.8
    shingle: int = 3
    by: TokensBy = "word"
    across: Literal["filter", "report"] = "filter"
    within: Literal["filter", "report"] = "filter"


HASH_BITS = 256


@dataclass(frozen=True, slots=True)
class NearImages:
    """Images that look alike, looked for when the split is made.

    Two are near if their difference hashes of 256 bits differ in at most ``distance`` of them.
    ``across`` and ``within`` are those of ``NearDuplicates``. Images of the same pixels are
    counted apart.
    """

    column: str
    distance: int = 10
    across: Literal["filter", "report"] = "filter"
    within: Literal["filter", "report"] = "filter"

    @property
    def similarity(self) -> float:
        """The least Jaccard similarity of two hashes as sets of bits."""
        # a little less: the quotient of a pair just that far apart is rounded
        return (HASH_BITS - self.distance) / (HASH_BITS + self.distance) - 1e-9


def bad_near(near: NearDuplicates | NearImages | None, columns: dict[str, str]) -> Iterator[str]:
    """Say what is wrong with ``near``; ``columns`` are those of the main source and their types."""
    if near is None:
        return
    if isinstance(near, NearImages):
        if columns.get(near.column) != "image":
            yield f"near_duplicates needs a column with an image; got {near.column!r}"
        if not 0 <= near.distance <= HASH_BITS // 8:
            yield f"near_duplicates: expected a distance from 0 to 32; got {near.distance}"
        return
    if columns.get(near.column) != "string":
        yield f"near_duplicates needs a string column of the main source; got {near.column!r}"
    if not 0.5 <= near.similarity <= 1:  # noqa: PLR2004  below it, half of all texts are near
        yield f"near_duplicates: expected a similarity from 0.5 to 1; got {near.similarity}"
    if near.shingle < 1:
        yield f"near_duplicates: expected a shingle of 1 token or more; got {near.shingle}"
