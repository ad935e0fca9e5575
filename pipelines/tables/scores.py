"""Which predictions a model has made of which table, from the records of the step score."""

from pipelines.layout import Layout
from pipelines.state import read_json
from pipelines.step import read_result
from pipelines.tables.version import parse_version


def same_models_predictions(layout: Layout, predictions: str, features: str) -> str:
    """Give what the model of ``predictions`` predicted for ``features``; empty if it did not.

    Args:
        layout: Of the data set.
        predictions: Pinned predictions; never given back themselves.
        features: Pinned features table.
    """
    records = [read_result(read_json(path)) for path in layout.steps.glob("score-*.json")]
    models = {table: item.details["version"] for item in records for table in item.tables}
    found = [
        table
        for item in records
        if item.details["features"] == features
        for table in item.tables
        if table != predictions and models[table] == models.get(predictions)
    ]
    return max(found, key=lambda table: parse_version(table).version, default="")
