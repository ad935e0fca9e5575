"""The columns of a features table that encodings make, and what they are called."""

from collections.abc import Mapping, Sequence

from schemas.encode import (
    Bucketed,
    Cyclic,
    Encode,
    FeatureColumn,
    Hashed,
    Numeric,
    Picture,
    Tokens,
)


def feature_columns(
    encodes: Sequence[Encode], sizes: Mapping[str, int] | None = None
) -> tuple[FeatureColumn, ...]:
    """Give the columns that ``encodes`` make, in order.

    ``sizes`` holds the number of codes of what is learned, by column (of tokens, by the feature's
    name); 0 where it is not known yet.
    """
    known = sizes or {}
    made: list[FeatureColumn] = []
    for item in encodes:
        if isinstance(item, Numeric):
            made.append(FeatureColumn(numeric_name(item), "numeric"))
        elif isinstance(item, Cyclic):
            made.append(FeatureColumn(f"{item.column}_sin", "numeric"))
            made.append(FeatureColumn(f"{item.column}_cos", "numeric"))
        elif isinstance(item, Hashed):
            made.append(FeatureColumn(hashed_name(item), "categorical", item.buckets))
        elif isinstance(item, Tokens):
            name = tokens_name(item)
            made.append(FeatureColumn(name, "tokens", known.get(name, 0), item.max_length))
        elif isinstance(item, Picture):
            made.append(FeatureColumn(picture_name(item), "image", shape=item.shape.sizes))
        else:
            ending = "bucket" if isinstance(item, Bucketed) else "code"
            size = known.get(item.column, 0)
            made.append(FeatureColumn(f"{item.column}_{ending}", "categorical", size))
    return tuple(made)


def numeric_name(item: Numeric) -> str:
    """Name of the feature that a numeric encoding makes."""
    return f"{item.column}_{'log' if item.is_log else 'num'}"


def hashed_name(item: Hashed) -> str:
    """Name of the feature that a hashed encoding makes."""
    return item.name or f"{'_x_'.join(item.columns)}_hash"


def tokens_name(item: Tokens) -> str:
    """Name of the feature that an encoding of a text makes."""
    return f"{item.column}_tokens"


def picture_name(item: Picture) -> str:
    """Name of the feature that an encoding of an image makes."""
    return f"{item.column}_image"
