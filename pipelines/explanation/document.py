"""All that was asked for of one case, as JSON and pictures; the methods by name."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.explanation.case import Case
from pipelines.explanation.image_part import attribute_images
from pipelines.explanation.permutation import too_few
from pipelines.explanation.table_part import TableSizes, explain_rows, permute, share_out
from pipelines.explanation.text_part import attribute_texts


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is computed: of columns; texts, images of either kind, and steps of gradients."""

    table: TableSizes
    texts: int
    images: int
    steps: int


@dataclass(frozen=True, slots=True)
class Document:
    """What was found, PNG files by name, and seconds by method."""

    told: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def suited_methods(case: Case) -> tuple[tuple[str, ...], str]:
    """Give what is done when nothing is asked for, and why something is left out.

    It takes seconds and can say something: a run need not stop for want of an explanation.
    """
    words = too_few(case.arrays.label, is_class=case.features.target.kind != "number")
    if len(case.said) < 2:  # noqa: PLR2004  nothing to choose among
        return (), f"too few rows: {words}"
    is_deep = bool(case.features.tokens or case.features.images)
    found = ("gradients",) if is_deep else ()
    if len(case.groups) == 1 and is_deep:
        return found, ""
    if words:
        return found, f"no permutation importance: {words}"
    return ("permutation", *found), ""


def explain_case(case: Case, methods: Sequence[str], sizes: Sizes) -> Document:
    """Apply ``methods``.

    Raises:
        ParameterError: Gradients are asked for, and the network is built so that they can't be
            taken; or there are too few rows for a method.
    """
    made = Document()

    def take(name: str, make: Callable[[], Any]) -> None:
        started = time.monotonic()
        made.told[name] = make()
        made.seconds[name] = round(time.monotonic() - started, 2)

    if "permutation" in methods:
        take("permutation", lambda: permute(case, sizes.table))
    if "shap" in methods:
        take("shap", lambda: share_out(case, sizes.table))
    if {"shap", "lime"} & {*methods}:
        take("single", lambda: explain_rows(case, sizes.table, methods))
    if "gradients" in methods:
        take("texts", lambda: _texts(case, sizes))
        take("images", lambda: _images(case, sizes, made.pictures))
    return made


def _texts(case: Case, sizes: Sizes) -> list[dict[str, Any]]:
    return [
        attribute_texts(case, column, sizes.texts, sizes.steps) for column in case.features.tokens
    ]


def _images(case: Case, sizes: Sizes, pictures: dict[str, bytes]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for column in case.features.images:
        figures, files = attribute_images(case, column, sizes.images, sizes.steps)
        found.append(figures)
        pictures |= files
    return found
