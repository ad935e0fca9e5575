"""What the columns of a features table stand for, in the words of the contract.

A model reads codes and scaled numbers; a person wants the carrier's name and degrees Fahrenheit.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from schemas.contract import Column, DatasetSpec
from schemas.derive import known_columns, words
from schemas.encode import Bucketed, Cyclic, Encode, Hashed, Numeric, Picture, Tokens, Vocabulary
from schemas.feature_columns import hashed_name, numeric_name, picture_name, tokens_name
from schemas.leakage import encoded_columns

MASK = "***"
_UNKNOWN_WORD = "not in the vocabulary"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One column: its title, and how its values read.

    ``codes`` names the categories 0, 1, ..., ``word`` stands before those without a name; a number
    x stands for ``x * width + shift``, from which a logarithm is undone if ``is_log``. Values of a
    personal column are never told.
    """

    title: str
    unit: str = ""
    codes: tuple[str, ...] = ()
    word: str = ""
    shift: float = 0.0
    width: float = 1.0
    is_log: bool = False
    is_personal: bool = False

    def category(self, code: str) -> str:
        """Give the name of a category."""
        if self.is_personal:
            return MASK
        if code.isdecimal() and int(code) < len(self.codes):
            return self.codes[int(code)]
        return f"{self.word}{code}"

    def number(self, value: float) -> str:
        """Give a number as it was before it was scaled."""
        if self.is_personal:
            return MASK
        plain = value * self.width + self.shift
        if self.is_log:
            plain = math.copysign(math.expm1(min(abs(plain), 700.0)), plain)
        # float32 of a scaled 0 comes back as something next to it
        return f"{plain:.4g}" if abs(plain) > _NOTHING * abs(self.width) else "0"


_NOTHING = 1e-6


def meanings(spec: DatasetSpec, state: Mapping[str, Any]) -> dict[str, Meaning]:
    """Give the meaning of each feature.

    Args:
        spec: Contract of the data set.
        state: Of engineer_features, as it stands in its file; empty if it is not known: then codes
            and scaled numbers stay as they are.
    """
    columns, personal = known_columns(spec), _personal(spec)
    found: dict[str, Meaning] = {}
    for item in spec.encodes:
        is_personal = bool(personal & {*encoded_columns(item)})
        for name, fields in _fields(item, state.get("encode", {}), columns):
            found[name] = Meaning(**fields, is_personal=is_personal)
    return found


def _fields(
    item: Encode, state: Mapping[str, Any], columns: Mapping[str, Column]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(item, Numeric):
        name = numeric_name(item)
        scale = state.get("scales", {}).get(name, {"shift": 0.0, "width": 1.0})
        unit = columns[item.column].unit if item.column in columns else ""
        title = f"{item.column}, its logarithm" if item.is_log else item.column
        fields = {"shift": scale["shift"], "width": scale["width"], "is_log": item.is_log}
        yield name, {"title": title, "unit": unit, **fields}
    elif isinstance(item, Cyclic):
        yield f"{item.column}_sin", {"title": f"{item.column}, its sine"}
        yield f"{item.column}_cos", {"title": f"{item.column}, its cosine"}
    elif isinstance(item, Hashed):
        yield (
            hashed_name(item),
            {
                "title": f"{' and '.join(item.columns)}, hashed",
                "word": "hash ",
            },
        )
    elif isinstance(item, Tokens):
        yield tokens_name(item), {"title": f"{item.column}, its tokens"}
    elif isinstance(item, Picture):
        yield picture_name(item), {"title": f"{item.column}, its pixels"}
    elif isinstance(item, Vocabulary):
        known = state.get("vocabularies", {}).get(item.column)
        codes = () if known is None else (_UNKNOWN_WORD, *known)
        yield f"{item.column}_code", {"title": item.column, "codes": codes}
    else:
        ends = state.get("boundaries", {}).get(item.column) or item.boundaries
        yield _bucket_name(item), {"title": f"{item.column}, in steps", "codes": _steps(ends)}


def _bucket_name(item: Bucketed) -> str:
    return f"{item.column}_bucket"


def _steps(ends: Sequence[float]) -> tuple[str, ...]:
    if not ends:
        return ()
    said = [f"{end:g}" for end in ends]
    between = [f"{low} to {high}" for low, high in pairwise(said)]
    return (f"below {said[0]}, or none", *between, f"{said[-1]} or more")


def _personal(spec: DatasetSpec) -> set[str]:
    """Personal columns, and those that are computed from one."""
    found = {name for name, column in known_columns(spec).items() if column.is_personal}
    for item in spec.derived:
        if {name.lower() for name in found} & words(item.sql):
            found.add(item.column.name)
    return found | {item.name for item in spec.rollings if item.value in found}
