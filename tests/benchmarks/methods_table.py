"""What ``methods`` measured as tables: the median of the seeds, and from least to greatest."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.benchmarks.methods_ways import Family

# of one training: values after each epoch, and figures of the best epoch's network
Curve: TypeAlias = dict[str, Any]
# of a way in methods.json: its name, rates, the best of them, a curve for each seed
Measured: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A value of each training; ``best`` says which of the ways' medians wins, if any."""

    head: str
    of: Callable[[Curve], float]
    best: Callable[[Sequence[float]], float] | None = None
    digits: int = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as people read it; ``spread`` is empty where there is none."""

    text: str
    spread: str = ""
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the first of each names the way."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def _quarter(curve: Curve) -> float:
    return curve["loss"][-(-len(curve["loss"]) // 4) - 1]


_COLUMNS = (
    Column("lowest", lambda curve: min(curve["loss"]), min),
    Column("pass of the lowest", lambda c: c["loss"].index(min(c["loss"])) + 1, digits=0),
    Column("after a quarter", _quarter, min),
    Column("at the end", lambda curve: curve["loss"][-1], min),
    Column("training, at the end", lambda curve: curve["training_loss"][-1]),
    Column("passes", lambda curve: len(curve["loss"]), digits=0),
    Column("CPU s a pass", lambda curve: curve["cpu_s"][-1] / len(curve["loss"]), digits=1),
)
_BY_HEAD = {column.head: column for column in _COLUMNS}
_FIGURES = {
    "roc_auc": ("ROC AUC", max),
    "pr_auc": ("average precision", max),
    "log_loss": ("log loss", min),
    "precision": ("precision", None),
    "recall": ("recall", None),
    "f1": ("F1", max),
    "macro_f1": ("macro F1", max),
    "mae": ("MAE", min),
    "rmse": ("RMSE", min),
}


def choose_rate(curves: Mapping[float, Curve]) -> float:
    """Give the rate with the lowest loss after any epoch, whose weights a training keeps."""
    return min(curves, key=lambda rate: min(curves[rate]["loss"]))


def make_table(family: Family, ways: Sequence[Measured]) -> Table:
    """Put each way into a row, as the columns of its family say."""
    columns = [_BY_HEAD[head] for head in family.columns]
    figures = ways[0]["curves"][0].get("figures", {})
    columns += [_figure(name) for name in _FIGURES if name in figures]
    cells = [_cells(column, ways) for column in columns]
    rows = [
        [Cell(way["name"]), *row] for way, row in zip(ways, zip(*cells, strict=True), strict=True)
    ]
    heads = ["way", *(column.head for column in columns)]
    if len({rate for way in ways for rate in way["rates"]}) > 1:
        heads.insert(1, "rate")
        for row, way in zip(rows, ways, strict=True):
            row.insert(1, Cell(_say_rate(way["rate"], way["rates"])))
    return Table(tuple(heads), tuple(map(tuple, rows)))


def to_markdown(table: Table) -> str:
    """Render a table, the best of a column in bold."""
    lines = [f"| {' | '.join(table.heads)} |", f"|---|{'--:|' * (len(table.heads) - 1)}"]
    lines += [f"| {' | '.join(map(_mark, row))} |" for row in table.rows]
    return "\n".join(lines)


def _figure(name: str) -> Column:
    head, best = _FIGURES[name]
    return Column(head, lambda curve: curve["figures"][name], best)


def _cells(column: Column, ways: Sequence[Measured]) -> list[Cell]:
    values = [[column.of(curve) for curve in way["curves"]] for way in ways]
    medians = [statistics.median(of_way) for of_way in values]
    best = column.best(medians) if column.best else None
    return [
        _cell(of_way, column.digits, is_best=middle == best)
        for of_way, middle in zip(values, medians, strict=True)
    ]


def _cell(values: Sequence[float], digits: int, *, is_best: bool) -> Cell:
    middle, low, high = (
        f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return Cell(middle, f"{low} to {high}" if low != high else "", is_best)


def _say_rate(rate: float, among: Sequence[float]) -> str:
    """Say a rate, and whether one beyond those that were tried could be better."""
    edge = {min(among): ", the least", max(among): ", the greatest"} if len(among) > 1 else {}
    return f"{rate:g}{edge.get(rate, '')}"


def _mark(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.is_best else cell.text
    return f"{text} ({cell.spread})" if cell.spread else text
