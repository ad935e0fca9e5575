"""What to do about a check that failed: the first thing to look at, by rule and by table."""

_MADE_BY = {
    "raw": "ingest",
    "deduplicated": "deduplicate",
    "split": "split",
    "imputed": "impute",
    "features": "engineer_features",
}
_LOOK = {
    "not_null": "Look where the column lost its values: a field that the source renamed or no "
    "longer fills, or a join that found nothing.",
    "unique": "Look up one of the keys by jobs/trace.py: either the same record came twice, or the "
    "key lacks a column.",
    "between": "Look at the values: another unit, a typing error, or a bound that the data have "
    "outgrown.",
    "finite": "Look for a division by zero or a text such as NaN in the source.",
    "in_set": "Look at the values: a new code that the contract should name, or another spelling "
    "of a known one.",
    "matches": "Look at the values: another format of the source, blanks around it, or a new kind "
    "of code.",
    "length": "Look at the values: cut, padded, or filled with something else.",
    "at_most": "Look at the rows: two columns that were exchanged, or clocks of two sources that "
    "differ.",
    "sql": "Look at the rows that break the expression.",
    "in_table": "Look whether the other table is older than this one, or lacks the values shown.",
    "increasing": "Look for rows that came late or a counter that was set back.",
    "row_count": "Compare the size of the delivery with the one before: a file that is missing, "
    "cut, or came twice.",
    "distinct_count": "Compare with an earlier version: some values are gone, or many are new.",
    "sum": "Compare with an earlier version: rows that are missing or came twice, or another unit.",
    "mean": "Compare with an earlier version: another unit, another mix of rows, or a value that "
    "stands for none.",
    "quantile": "Compare with an earlier version: the spread of the values has changed.",
    "fresh": "Look whether the last delivery came: the newest value is older than agreed.",
    "columns": "Compare the header of the source with the contract: a column was added, dropped "
    "or moved.",
    "types": "Compare the source with the contract: the column has another type.",
    "quarantined": "Read the table quarantine: its columns rule and raw say which rows were set "
    "aside and why.",
}


def what_to_do(rule: str, layer: str, dataset: str, *, is_warning: bool = False) -> str:
    """Say what to look at first, and what makes the check pass, in two sentences."""
    look = _LOOK.get(rule, "Look at the result in the Data Docs.")
    if is_warning:
        return f"{look} The run went on; nothing has to be done before the next one."
    step = _MADE_BY.get(layer, "the step that wrote it")
    where = "ask for a new delivery" if layer == "raw" else "mend the source or that step"
    return (
        f"{look} Then {where}, run {step} again and validate the new version; if the rule no "
        f"longer holds, change it in schemas/{dataset}.py."
    )


def what_to_do_aside(dataset: str) -> str:
    """Say what to do about rows that were set aside."""
    return (
        f"Read them in the table {dataset}/quarantine (rule, source_file, position, raw) and tell "
        "the source; the other rows went on."
    )
