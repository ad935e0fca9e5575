"""The page of one look at drift: what has changed first, with a small plot of each column."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipelines.reporting.headline import Tile
from pipelines.reporting.histogram import NOW, REFERENCE, Slot, draw_columns, draw_rows
from pipelines.reporting.templates import open_template

_STATUS = {"ok": "good", "warning": "warn", "error": "bad"}
_TITLES = {
    "ok": "no drift beyond the limits",
    "warning": "drift beyond a limit of warning",
    "error": "drift beyond a limit of error",
}
_MAX_LINES = 9
_IS_REAL = (
    "Is the change real? Look at the plots, then at the source of a column that jumped: another "
    "unit, a new default or a lost join looks like drift."
)
_NULLS = (
    "Nulls grew: ask whoever delivers the column. A check not_null with mostly in the contract "
    "stops the next load at its source."
)
_NEW = (
    "New categories: the model has never seen them and takes them all for one unknown; it learns "
    "them in a new training."
)
_TRAIN = (
    "If it is real, train on rows that have it, and let evaluate and register decide: "
    "gristmill run {dataset}."
)
_LIMITS = (
    "If it is real and expected, such as a season, give the column limits of its own, with the "
    "reason: drift in schemas/{dataset}.py."
)


def render_drift(
    result: Mapping[str, Any], title: str, earlier: Sequence[Mapping[str, Any]]
) -> str:
    """Give the page's HTML.

    Args:
        result: What stands in ``drift.json``; its columns come worst first.
        title: Of the data set.
        earlier: Looks before this one, newest first: ``checked_at``, ``features``, ``num_errors``,
            ``num_warnings``, ``worst_column``, ``worst_psi``, ``verdict`` and ``link``.
    """
    columns = result["columns"]
    cards = [dict(column, chart=_chart(column)) for column in columns]
    return open_template(
        "drift.html", figure=_figure, percent=_percent, p=_p_value, short=_short
    ).render(
        result=result,
        title=title,
        headline=_TITLES[result["verdict"]],
        status=_STATUS,
        tiles=_tiles(result),
        shown=[card for card in cards if card["verdict"] != "ok" or card["role"] != "feature"],
        others=[card for card in cards if card["verdict"] == "ok" and card["role"] == "feature"],
        advice=_advice(result),
        earlier=earlier,
        colours=(REFERENCE, NOW),
    )


def _tiles(result: Mapping[str, Any]) -> list[Tile]:
    columns = result["columns"]
    bad = [column for column in columns if column["verdict"] == "error"]
    soft = [column for column in columns if column["verdict"] == "warning"]
    tiles = [
        Tile(f"{len(columns)}", "columns compared"),
        Tile(f"{len(bad)}", "beyond a limit of error", status="bad" if bad else "good"),
        Tile(f"{len(soft)}", "beyond a limit of warning", status="warn" if soft else "good"),
        Tile(f"{result['rows_now']:,}", "rows now", result["rows_of_now"]),
        Tile(f"{result['rows_reference']:,}", "rows of the reference", result["rows_of_reference"]),
    ]
    label = next((column for column in columns if column["role"] == "label"), None)
    positive = [bar for bar in label["bars"] if bar["name"] == "1"] if label else []
    if label and positive:
        tiles.append(
            Tile(
                _percent(positive[0]["now"]),
                f"of rows have {label['name']} = 1",
                f"{_percent(positive[0]['reference'])} before",
                _STATUS[label["verdict"]],
            )
        )
    return tiles


def _chart(column: Mapping[str, Any]) -> Markup:
    title = f"{column['title']}: shares of rows by value, reference and now"
    bars = column["bars"]
    slots = [Slot(bar["name"], bar["reference"], bar["now"]) for bar in bars]
    if column["kind"] != "numeric":
        return draw_rows(title, _most_changed(slots))
    ends = [bar["end"] for bar in bars if bar["end"]]
    ticks = ("", "", "")
    if ends:
        ticks = (f"up to {ends[0]}", ends[len(ends) // 2], f"above {ends[-1]}")
    return draw_columns(title, slots, ticks)


def _most_changed(slots: Sequence[Slot]) -> list[Slot]:
    """Keep few lines: all categories if they are few, else those that have changed most."""
    if len(slots) <= _MAX_LINES:
        return list(slots)
    ranked = sorted(slots, key=lambda slot: -abs(slot.now - slot.reference))
    kept, rest = ranked[: _MAX_LINES - 1], ranked[_MAX_LINES - 1 :]
    reference, now = sum(s.reference for s in rest), sum(s.now for s in rest)
    return [*kept, Slot(f"{len(rest)} others", reference, now)]


def _advice(result: Mapping[str, Any]) -> list[str]:
    """Say what a person can do, by what was found."""
    broken = [column for column in result["columns"] if column["verdict"] != "ok"]
    if not broken:
        return []
    said = [_IS_REAL]
    if any("nulls" in text for column in broken for text in column["why"]):
        said.append(_NULLS)
    if any(column["num_new_categories"] for column in broken):
        said.append(_NEW)
    return [*said, *(text.format(dataset=result["dataset"]) for text in (_TRAIN, _LIMITS))]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < _LARGE else f"{value:,.0f}"


_LARGE = 1000


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"  # noqa: PLR2004


def _short(table: str) -> str:
    """Last two parts of a path: enough to know a table by."""
    return "/".join(table.rstrip("/").split("/")[-2:])
