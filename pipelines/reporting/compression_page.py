"""The page of one compressed model: what it weighs, takes and answers beside the original."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.reporting.cross_validation_page import say_figure
from pipelines.reporting.headline import Tile
from pipelines.reporting.templates import open_template

_KILO = 1000
_SIZES = (("file_bytes", "bytes of the file"), ("weight_bytes", "bytes of the weights"))
_SAME = ("form", "threads", "original_model", "original_sha256", "model_sha256", "features")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is compared, as people read it."""

    name: str
    original: str
    compressed: str
    share: str = ""


def render_compression(details: Mapping[str, Any], title: str, question: str) -> str:
    """Give the page's HTML.

    Args:
        details: What stands in ``compression.json``.
        title: Of the data set.
        question: Of the data set.
    """
    return open_template("compression.html").render(
        title=title,
        question=question,
        tiles=_tiles(details),
        rows=_rows(details["original"], details["compressed"]),
        layers=details["quantized_layers"],
        timed_rows=details["original"]["timed_rows"],
        **{name: details[name] for name in _SAME},
    )


def _tiles(details: Mapping[str, Any]) -> list[Tile]:
    original, compressed, figure = details["original"], details["compressed"], details["figure"]
    size = compressed["file_bytes"] / original["file_bytes"]
    pace = compressed["seconds_per_1000_rows"] / original["seconds_per_1000_rows"]
    before, after = (said["validation"][figure["name"]] for said in (original, compressed))
    said = f"{say_figure(before)} before; at most {details['max_loss']:g} may be lost"
    return [
        Tile(f"{size:.0%}", "of the file's bytes"),
        Tile(say_figure(after), f"validation {figure['words']}", said),
        Tile(f"{pace:.2f} x", "the processor's time for a row"),
    ]


def _rows(original: Mapping[str, Any], compressed: Mapping[str, Any]) -> list[Row]:
    rows = [_counted(words, original[name], compressed[name]) for name, words in _SIZES]
    forms = original, compressed
    before, after = (said["kernel_zeros"] / said["kernel_weights"] for said in forms)
    name = "zeros among the weights of kernels and embeddings"
    rows.append(Row(name, f"{before:.1%}", f"{after:.1%}"))
    before, after = (said["seconds_per_1000_rows"] * _KILO for said in forms)
    share = f"{after / before:.0%}"
    rows.append(
        Row("processor's time for 1,000 rows", f"{before:.3g} ms", f"{after:.3g} ms", share)
    )
    return rows + [
        Row(f"validation {name.replace('_', ' ')}", say_figure(value), say_figure(other))
        for name, value in original["validation"].items()
        if isinstance(value, float) and isinstance(other := compressed["validation"][name], float)
    ]


def _counted(words: str, before: int, after: int) -> Row:
    return Row(words, f"{before:,}", f"{after:,}", f"{after / before:.0%}")
