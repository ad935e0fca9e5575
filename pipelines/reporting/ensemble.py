"""The members of an ensemble, each with its own figures, for the page of a run."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member, or the ensemble itself; figures are those by which models are compared."""

    name: str
    differs: str
    weight: str
    validation: str
    test: str


def ensemble_rows(evaluation: dict[str, Any]) -> list[MemberRow]:
    """Give a row for each member of ``details`` of evaluate, then the ensemble; or none."""
    said = evaluation.get("ensemble")
    if not said:
        return []
    key = evaluation["compared_by"]["name"]

    def row(words: str, name: str, differs: str, weight: str) -> MemberRow:
        validation, test = (evaluation[split][name][key] for split in ("validation", "models"))
        return MemberRow(words, differs, weight, f"{validation:.4f}", f"{test:.4f}")

    rows: list[MemberRow] = []
    for number, member in enumerate(said["members"], 1):
        weight = "" if member["weight"] is None else f"{member['weight']:.3f}"
        differs = ", ".join(f"{name} {_said(value)}" for name, value in member["differs"].items())
        rows.append(row(f"member {number}", f"member_{number}", differs, weight))
    return [*rows, row("ensemble", "network", said["method"], "")]


def _said(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
