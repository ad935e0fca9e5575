"""What a model goes by, from the record of ``explain``, ready for the page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipelines.reporting.effects import draw_effect, scale_of
from pipelines.reporting.run_record import Run
from pipelines.reporting.templates import png_uri
from pipelines.state import read_json
from pipelines.storage.place import place

_SHOWN, _SHOWN_IN_ROW = 15, 10
_NUMBERED_WORDS = 8
_STRENGTHS = 3
_CLEAR, _ALIKE = 0.3, 0.5  # rank correlations: of a direction, of a map that learned nothing


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of a table: what it is of, its value in words, figures, and a bar."""

    name: str
    figure: str
    bar: Markup
    note: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text; ``shade`` is a class of the style sheet, ``figure`` empty if small."""

    text: str
    shade: str
    figure: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts that were made, each empty if it was not."""

    told: dict[str, Any]
    permutation: tuple[Effect, ...] = ()
    origins: tuple[Effect, ...] = ()
    shap: tuple[Effect, ...] = ()
    single: tuple[tuple[dict[str, Any], tuple[Effect, ...]], ...] = ()
    texts: tuple[
        tuple[dict[str, Any], tuple[tuple[dict[str, Any], tuple[Word, ...]], ...]], ...
    ] = ()
    images: tuple[dict[str, Any], ...] = ()
    shown: int = _SHOWN


def read_explanation(run: Run) -> Explanation | None:
    """Give what ``explain`` has left of the run; None if it was not run, or its file is gone."""
    step = run.steps.get("explain")
    path = place(step.files.get("explanation", "")) if step else Path()
    if not path.is_file():
        return None
    told = read_json(path)
    return Explanation(
        told,
        _permutation(told.get("permutation"), "columns"),
        _permutation(told.get("permutation"), "origins"),
        _shap(told.get("shap")),
        tuple((row, _row(row)) for row in told.get("single", [])),
        tuple((text, _texts(text)) for text in told.get("texts", [])),
        tuple(_with_pictures(item, path.parent) for item in told.get("images", [])),
    )


def say_check(correlation: float | None) -> str:
    """Say whether an explanation hangs on what was learned, by its rank correlation."""
    if correlation is None:
        return "with shuffled weights nothing is left to compare."
    said = f"the rank correlation with the same network of shuffled weights is {correlation:.2f}"
    if correlation > _ALIKE:
        return f"{said}: it hardly depends on what was learned, so trust it little."
    return f"{said}, so it depends on what was learned."


def _permutation(part: dict[str, Any] | None, of: str) -> tuple[Effect, ...]:
    columns = part[of] if part else []
    scale = scale_of([value for item in columns for value in (item["low"], item["high"])])
    return tuple(
        Effect(
            item["name"],
            f"{item['mean']:.4f}",
            draw_effect(scale, item["mean"], (item["low"], item["high"])),
            f"{item['low']:.4f} to {item['high']:.4f}",
            ", ".join(item["features"]),
        )
        for item in columns
    )


def _shap(part: dict[str, Any] | None) -> tuple[Effect, ...]:
    columns = part["columns"] if part else []
    scale = scale_of([item["mean_size"] for item in columns])
    return tuple(
        Effect(
            item["name"],
            f"{item['mean_size']:.4f}",
            draw_effect(scale, item["mean_size"]),
            _direction(item["rises"]),
        )
        for item in columns
    )


def _direction(rises: float | None) -> str:
    if rises is None:
        return ""
    if abs(rises) < _CLEAR:
        return f"no one way ({rises:+.2f})"
    return f"{'more' if rises > 0 else 'less'} with a higher value ({rises:+.2f})"


def _row(row: dict[str, Any]) -> tuple[Effect, ...]:
    columns = row["columns"][:_SHOWN_IN_ROW]
    by = "shap" if "base" in row else "lime"
    scale = scale_of([item[by] for item in columns])
    return tuple(
        Effect(
            item["name"],
            f"{item[by]:+.4f}",
            draw_effect(scale, item[by]),
            item["value"],
            f"{item['lime']:+.4f}" if by == "shap" and "lime" in item else "",
        )
        for item in columns
    )


def _texts(text: dict[str, Any]) -> tuple[tuple[dict[str, Any], tuple[Word, ...]], ...]:
    return tuple((row, _shaded(row["words"])) for row in text.get("rows", []))


def _shaded(words: list[list[Any]]) -> tuple[Word, ...]:
    sizes = sorted((abs(value) for _, value in words), reverse=True)
    most = sizes[0] if sizes else 0.0
    least = sizes[:_NUMBERED_WORDS][-1] if sizes else 0.0
    found: list[Word] = []
    for word, value in words:
        strength = round(_STRENGTHS * abs(value) / most) if most else 0
        shade = f"{'adds' if value > 0 else 'takes'}{strength}" if strength else ""
        is_numbered = abs(value) >= least and abs(value) > 0
        found.append(Word(word, shade, f"{value:+.2f}" if is_numbered else ""))
    return tuple(found)


def _with_pictures(part: dict[str, Any], folder: Path) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for row in part.get("rows", []):
        file = folder / row["file"]
        content = file.read_bytes() if file.is_file() else b""
        rows.append({**row, "uri": png_uri(content)})
    return {**part, "rows": rows}
