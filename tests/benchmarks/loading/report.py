"""The results of one table as Markdown."""

from typing import Any


def render(part: dict[str, Any]) -> str:
    """Give a line for each way, the fastest first.

    Args:
        part: One table's part of ``loading.json``.
    """
    unit, rows, row_bytes = part["unit"], part["rows"], part["row_bytes"]
    limit = next(one["seconds"] for one in part["results"] if one["way"] == part["limit"])
    head = (
        f"| way | {unit}/s | decoded MB/s | of the limit | processor s | spread "
        f"| calls per thousand {unit} | files opened | MB read | the same {unit} |"
    )
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    for one in sorted(part["results"], key=lambda one: one["seconds"]):
        seconds, counted = one["seconds"], one["all_seconds"][1:]
        spread = (max(counted) - min(counted)) / seconds
        counts = one["counts"]
        said = (
            f"{1000 * counts['calls'] / rows:,.4g} | {counts['files_opened']:,} "
            f"| {counts['bytes_read'] / 1e6:,.1f}"
            if counts
            else " | | "
        )
        lines.append(
            f"| {one['way']} | {rows / seconds:,.0f} | {rows * row_bytes / seconds / 1e6:,.1f} "
            f"| {limit / seconds:.3g} | {one['cpu_s']:.2f} | {spread:.0%} | {said} "
            f"| {'yes' if one['same'] else 'NO'} |"
        )
    return "\n".join(lines)
