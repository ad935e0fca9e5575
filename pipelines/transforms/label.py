"""The label through the steps: made at the split, numbered and measured for the features table."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.transforms.encode import fit_encode
from schemas.encode import Numeric
from schemas.feature_columns import numeric_name
from schemas.target import Label, Target, target_of


def add_label(df: DataFrame, label: Label) -> DataFrame:
    """Add the label: int 0 or 1, a class's name, or a number; null where it is not known."""
    return df.withColumn(label.name, F.expr(label.sql).cast(label.type))


def type_label(df: DataFrame, label: Label) -> DataFrame:
    """Give the label the type it has in a features table; a class becomes its place, int from 0.

    A name that is no declared class, which the split has set aside, ends the job that meets it.
    """
    known = F.col(label.name)
    if label.kind == "classes":
        place = F.array_position(F.array(*[F.lit(name) for name in label.classes]), known)
        unknown = F.raise_error(F.concat(F.lit(f"{label.name} is no declared class: "), known))
        known = F.when(place > 0, place - 1).when(place == 0, unknown.cast("long"))
    return df.withColumn(label.name, known.cast(label.feature_type))


def fit_target(train: DataFrame, label: Label) -> Target:
    """Learn mean and deviation of a number from the rows of the training split: one Spark job.

    Of other labels there is nothing to learn. A number that never changes has the deviation 1.
    """
    if not label.is_number:
        return target_of(label)
    item = Numeric(label.name)
    scale = fit_encode(train, (item,), ()).scales[numeric_name(item)]
    return target_of(label, scale.shift, scale.width)
