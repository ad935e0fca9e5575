"""When does a candidate become champion? One pure rule, said in words with its reason.

The figure is the one by which evaluate compares models of such a label, on the validation split:
ROC AUC, of classes macro F1, of a number RMSE. The test split is measured once and chooses nothing,
so its figure stays an honest one. Two figures are compared only if both models answer the same
question about rows chosen the same way: the same label and the same split in their contracts.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from schemas.contract import DatasetSpec, without_unused
from schemas.split import split_columns

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rule knows of one registered version.

    ``basis`` names label and split, see ``comparison_basis``; ``features`` is the pinned table on
    whose validation rows ``value`` was measured, the figure called ``words``.
    """

    version: int
    value: float
    basis: str
    features: str
    words: str = "ROC AUC"
    is_lower_better: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the candidate is champion from now on, by which rule and why."""

    is_champion: bool
    rule: str
    reason: str


def decide(
    candidate: Standing,
    champion: Standing | None,
    minimum_gain: float,
    *,
    is_replacing_incomparable: bool = False,
) -> Decision:
    """Compare a candidate with the present champion.

    Args:
        candidate: The version just registered.
        champion: The version that holds the alias, if any.
        minimum_gain: What the candidate must be better by; below 0: what it may be worse by.
        is_replacing_incomparable: Take a candidate whose label or split differs from the
            champion's; otherwise such a champion stays.
    """
    verb = "is below" if candidate.is_lower_better else "exceeds"
    rule = (
        f"a candidate takes the alias champion if its validation {candidate.words} {verb} the "
        f"champion's by more than {minimum_gain:g}, both with the same label and split"
    )
    if champion is None:
        return Decision(True, rule, "there was no champion yet")
    if champion.version == candidate.version:
        return Decision(True, rule, f"version {candidate.version} is the champion already")
    if champion.basis != candidate.basis:
        return _decide_incomparable(rule, champion, is_replacing=is_replacing_incomparable)
    gain = candidate.value - champion.value
    if candidate.is_lower_better:
        gain = champion.value - candidate.value
    compared = (
        f"validation {candidate.words} {candidate.value:.4f} against {champion.value:.4f} of "
        f"version {champion.version}: a gain of {gain:+.4f}"
    )
    if champion.features != candidate.features:
        compared += f" (measured on other versions of the table: {champion.features} there)"
    if gain > minimum_gain:
        return Decision(True, rule, compared)
    return Decision(False, rule, f"{compared}, not more than {minimum_gain:g}")


def comparison_basis(spec: DatasetSpec) -> str:
    """Digest of what makes two figures comparable: data set, label and split of a contract.

    Derived columns count only where the label or the split is computed from them.
    """
    split = spec.split
    pending = [spec.label.sql, *split_columns(split)]
    used: dict[str, str] = {}
    while pending:
        words = set(re.findall(r"\w+", pending.pop()))
        for derived in spec.derived:
            if derived.column.name in words and derived.column.name not in used:
                used[derived.column.name] = derived.sql
                pending.append(derived.sql)
    kind = type(split).__name__
    label, halves = spec.label, without_unused(asdict(split))
    parts: list[Any] = [spec.name, label.name, label.sql, kind, halves, used]
    if label.kind != "binary":
        parts += [label.kind, label.classes, label.unit]
    said = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:_DIGITS]


def _decide_incomparable(rule: str, champion: Standing, *, is_replacing: bool) -> Decision:
    differs = (
        f"version {champion.version}, the champion, was measured with another label or split, so "
        "the figures can't be compared"
    )
    if is_replacing:
        return Decision(True, rule, f"{differs}; replaced as --replace-incomparable asks")
    return Decision(
        False, rule, f"{differs}; it stays. To replace it, register with --replace-incomparable"
    )
