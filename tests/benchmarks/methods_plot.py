"""What ``methods`` measured as pictures: validation loss against processor time."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from tests.benchmarks.methods_table import Measured

# Okabe and Ito's, which those who are colour-blind tell apart; further lines are dashed
_COLOURS = ("#222222", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
_DASHES = ("-", "--")
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "path",  # looks alike where that font is not
    "svg.hashsalt": "methods",  # the same figures give the same file
}


def draw(title: str, ways: Sequence[Measured], path: Path) -> None:
    """Draw the median of the seeds of each way, and the range between least and greatest."""
    with plt.rc_context(_STYLE):
        figure, panel = plt.subplots(figsize=(5.6, 4.4), layout="constrained")
        for number, way in enumerate(ways):
            dashes, place = divmod(number, len(_COLOURS))
            _draw_way(panel, way, _COLOURS[place], _DASHES[dashes])
        panel.set_xlabel("processor seconds, start and validation included")
        panel.set_ylabel("validation loss")
        panel.set_title(title, loc="left", fontsize=10)
        panel.grid(color="#e4e7ea", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
        figure.legend(frameon=False, loc="outside lower left", ncols=3, fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=144, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


def _draw_way(panel: Any, way: Measured, colour: str, dashes: str) -> None:
    # where some seeds stop early, as far as all go
    by_epoch = [*zip(*(curve["comparable_loss"] for curve in way["curves"]), strict=False)]
    times = [*zip(*(curve["cpu_s"] for curve in way["curves"]), strict=False)]
    x = [statistics.median(values) for values in times]
    losses = [statistics.median(values) for values in by_epoch]
    panel.plot(x, losses, dashes, color=colour, linewidth=1.5, marker=".", label=way["name"])
    low, high = [min(v) for v in by_epoch], [max(v) for v in by_epoch]
    panel.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)
