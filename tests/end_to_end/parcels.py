"""Contract of a small data set: parcels, and the depots they leave from.

Tests copy it into schemas/.
"""

from schemas.contract import Check, Column, DatasetSpec, HashSplit, Label, Source
from schemas.encode import Hashed, Impute, Join, Numeric, Vocabulary

SPEC = DatasetSpec(
    name="parcels",
    title="Parcels",
    question="Will this parcel be late?",
    sources=(
        Source(
            "parcels",
            "package:none/parcels.csv",
            (
                Column("parcel_id", "long"),
                Column("depot", "string"),
                Column("weight", "double", is_nullable=True, unit="kg"),
                Column("distance", "double", unit="km"),
                Column("days", "double", unit="d", is_outcome=True),
                Column("sent_at", "timestamp", description="when the depot handed it over, UTC"),
            ),
            primary_key=("parcel_id",),
            time="sent_at",
            interval="day",
            checks=(Check("between", ("distance",), minimum=0, maximum=1000),),
        ),
        Source(
            "depots",
            "package:none/depots.csv",
            (Column("depot", "string"), Column("staff", "int")),
            primary_key=("depot",),
        ),
    ),
    label=Label("is_late", "days > 3"),
    split=HashSplit(("parcel_id",), 0.7, 0.15, 0.15),
    joins=(Join("depots", on=(("depot", "depot"),), columns=(("staff", "staff"),)),),
    imputes=(
        Impute("weight", "median", has_indicator=True),
        Impute("staff", "mean"),
    ),
    encodes=(
        Numeric("weight"),
        Numeric("distance"),
        Numeric("staff"),
        Numeric("weight_was_missing", scale="none"),
        Vocabulary("depot"),
        Hashed(("depot",), 16),
    ),
)
