"""What ``methods`` measured as one picture: validation loss against processor time.

Usage: python -m tests.benchmarks.methods_plot METHODS.json PICTURE.svg
"""

import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from pipelines.state import read_json

# a colour for each optimizer; what follows the loss is dashed
_COLOURS = {"SGD": "#9aa3ab", "momentum": "#c2571a", "Adam": "#1f6fb4", "AdamW": "#222222"}
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "path",  # looks alike where that font is not
    "svg.hashsalt": "methods",  # the same figures give the same file
}


def draw(measured: dict[str, Any], path: Path) -> None:
    """Draw the median of the seeds of each way, and the range between least and greatest."""
    with plt.rc_context(_STYLE):
        figure, panel = plt.subplots(figsize=(7.6, 4.2), layout="constrained")
        for name, curves in measured["curves"].items():
            by_epoch = [*zip(*(curve["loss"] for curve in curves), strict=True)]
            times = [*zip(*(curve["cpu_s"] for curve in curves), strict=True)]
            x = [statistics.median(values) for values in times]
            colour = _COLOURS[name.partition(",")[0]]
            dashes = "--" if name.endswith("dynamic") else "-"
            losses = [statistics.median(values) for values in by_epoch]
            panel.plot(x, losses, dashes, color=colour, linewidth=1.6, marker=".", label=name)
            low, high = [min(v) for v in by_epoch], [max(v) for v in by_epoch]
            panel.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        panel.set_xlabel("processor seconds, start and validation included")
        panel.set_ylabel("validation log loss")
        panel.set_title(
            f"Median and range of {len(measured['budget']['seeds'])} seeds", loc="left", fontsize=10
        )
        panel.grid(color="#e4e7ea", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=144, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


if __name__ == "__main__":
    draw(read_json(Path(sys.argv[1])), Path(sys.argv[2]))
