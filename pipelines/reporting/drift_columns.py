"""A column's drift as JSON and the page say it: in the contract's words, personal values masked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.reporting.feature_names import MASK, Meaning, meanings
from schemas.contract import DatasetSpec
from schemas.target import PREDICTION, PROBABILITY

_MAX_NAMES = 20
_REST = {
    "other": "other known categories",
    "new": "new categories",
    "nan": "not a number",
    "null": "null",
}


def describe_columns(
    found: Sequence[Mapping[str, Any]], spec: DatasetSpec, state: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Give the columns of the result, in order.

    Args:
        found: Numbers, verdict and bars of each comparison; ``new_categories`` are codes.
        spec: Contract of the data set.
        state: Of engineer_features, with which the reference was made; empty if it is not known.
    """
    known = meanings(spec, state)
    label = spec.label
    roles = {label.name: "label", PREDICTION: "prediction", PROBABILITY: "prediction"}
    chance = "its predicted class" if label.classes else label.name
    known |= {
        label.name: Meaning(label.name, label.unit, label.classes),
        PREDICTION: Meaning(f"predicted {label.name}", label.unit),
        PROBABILITY: Meaning(f"predicted chance of {chance}"),
    }
    return [
        _column(item, known[item["name"]], roles.get(item["name"], "feature")) for item in found
    ]


def _column(found: Mapping[str, Any], meaning: Meaning, role: str) -> dict[str, Any]:
    said = {name: value for name, value in found.items() if name not in ("bars", "kind")}
    news = found["new_categories"]
    shown = [meaning.category(code) for code in news[:_MAX_NAMES]]
    return said | {
        "role": role,
        "kind": found["kind"],
        "title": meaning.title,
        "unit": meaning.unit,
        "why": list(found["why"]),
        "new_categories": [MASK] * len(shown) if meaning.is_personal else shown,
        "num_new_categories": len(news),
        "bars": _bars(found["bars"], meaning),
    }


def _bars(bars: Sequence[Mapping[str, Any]], meaning: Meaning) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    low = -math.inf
    for bar in bars:
        ending: str | None = None
        if bar["kind"] == "range":
            name, ending = _range(low, bar["value"], meaning)
            low = bar["value"]
        elif bar["kind"] == "category":
            name = meaning.category(bar["value"])
        else:
            name = _REST[bar["kind"]]
        made.append(
            {
                "kind": bar["kind"],
                "name": name,
                "end": ending,
                "reference": bar["reference"],
                "now": bar["now"],
            }
        )
    return made


def _range(low: float, high: float, meaning: Meaning) -> tuple[str, str]:
    """Name the numbers above ``low`` up to ``high``; and ``high`` alone."""
    if meaning.is_personal:
        return MASK, MASK
    if math.isinf(high):
        return ("any", "") if math.isinf(low) else (f"above {meaning.number(low)}", "")
    end = meaning.number(high)
    if math.isinf(low):
        return f"up to {end}", end
    if high == math.nextafter(low, math.inf):
        return f"exactly {end}", end
    return f"{meaning.number(low)} to {end}", end
