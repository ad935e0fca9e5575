"""Calls of a Portuguese bank, 2008 to 2010: will this client take a term deposit?

Data: Moro, Cortez and Rita, "A Data-Driven Approach to Predict the Success of Bank Telemarketing",
Decision Support Systems 2014, UCI Machine Learning Repository (CC BY 4.0). The question is asked
before the call, so how long it took is an outcome: with it, models look far better than they are.

Rows have no key and no date; ``unknown`` is a missing value, and 999 days since the last campaign
mean that there was none. Clients are split at random, so figures of the economy, which many calls
share, are known of each month: nothing is said of a month to come.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    Derived,
    HashSplit,
    Label,
    PublicFile,
    Source,
)
from schemas.drift import ColumnLimits, Drift, Limits
from schemas.encode import Bucketed, Cyclic, Encode, Hashed, Impute, Numeric, Vocabulary

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri")
_ECONOMY = ("emp_var_rate", "cons_price_idx", "cons_conf_idx", "euribor3m", "nr_employed")
_UNKNOWN = ("job", "marital", "education", "has_default", "housing", "loan")

CALLS = Source(
    name="calls",
    location="fetched:bank_marketing/bank-additional-full.csv",
    delimiter=";",
    content_key="record_id",
    primary_key=("record_id",),
    null_values=("unknown",),
    columns=(
        Column("record_id", "string", description="digest of the row and its file's name"),
        Column("age", "int", unit="a"),
        Column("job", "string", is_nullable=True),
        Column("marital", "string", is_nullable=True),
        Column("education", "string", is_nullable=True),
        Column("has_default", "string", is_nullable=True, header="default"),
        Column("housing", "string", is_nullable=True, description="has a housing loan"),
        Column("loan", "string", is_nullable=True, description="has a personal loan"),
        Column("contact", "string"),
        Column("month", "string"),
        Column("day_of_week", "string"),
        Column("duration", "int", unit="s", is_outcome=True, description="of this call"),
        Column("campaign", "int", description="calls in this campaign, with this one"),
        Column("pdays", "int", unit="d", description="since a former campaign; 999: never"),
        Column("previous", "int", description="calls before this campaign"),
        Column("poutcome", "string", description="of the former campaign"),
        Column("emp_var_rate", "double", unit="%", header="emp.var.rate"),
        Column("cons_price_idx", "double", header="cons.price.idx"),
        Column("cons_conf_idx", "double", header="cons.conf.idx"),
        Column("euribor3m", "double", unit="%"),
        Column("nr_employed", "double", unit="1000", header="nr.employed"),
        Column("subscribed", "string", is_outcome=True, header="y"),
    ),
    checks=(
        Check("in_set", ("subscribed",), values=("yes", "no")),
        Check("in_set", ("month",), values=_MONTHS),
        Check("in_set", ("day_of_week",), values=_DAYS),
        Check("in_set", ("contact",), values=("cellular", "telephone")),
        Check("in_set", ("poutcome",), values=("failure", "nonexistent", "success")),
        *(Check("in_set", (name,), values=("yes", "no"))
          for name in ("has_default", "housing", "loan")),
        Check("between", ("age",), minimum=16, maximum=110),
        Check("between", ("duration",), minimum=0, maximum=10_000),
        Check("between", ("campaign",), minimum=1, maximum=100),
        Check("between", ("pdays",), minimum=0, maximum=999),
        Check("between", ("previous",), minimum=0, maximum=20),
        Check("between", ("euribor3m",), minimum=0, maximum=10),
        Check("not_null", ("has_default",), mostly=0.7, severity="warning",
              reason="a fifth is unknown as published"),
        *(Check("not_null", (name,), mostly=0.9, severity="warning")
          for name in ("job", "marital", "education", "housing", "loan")),
    ),
)  # fmt: skip

DERIVED = (
    Derived(
        Column("month_number", "int"),
        f"array_position(array({', '.join(repr(name) for name in _MONTHS)}), month) - 1",
    ),
    Derived(Column("was_called_before", "int"), "int(pdays < 999)"),
    Derived(Column("days_since", "int", is_nullable=True, unit="d"), "nullif(pdays, 999)"),
)

IMPUTES = (
    *(Impute(name, "constant", value="unknown") for name in _UNKNOWN),
    Impute("days_since", "constant", value=30.0),
)

ENCODES: tuple[Encode, ...] = (
    Numeric("age"),
    Numeric("campaign", is_log=True),
    Numeric("previous", is_log=True),
    Numeric("days_since"),
    Numeric("was_called_before", scale="none"),
    *(Numeric(name) for name in _ECONOMY),
    Cyclic("month_number", 12),
    *(Vocabulary(name) for name in (*_UNKNOWN, "contact", "month", "day_of_week", "poutcome")),
    Bucketed("age", boundaries=(25, 30, 40, 50, 60, 70)),
    Bucketed("euribor3m", num_quantiles=10),
    Hashed(("job", "education"), 256),
)  # fmt: skip

SPEC = DatasetSpec(
    name="bank_marketing",
    title="Calls of a Portuguese bank, 2008 to 2010",
    question="Asked before the call: will this client take a term deposit?",
    sources=(CALLS,),
    label=Label("takes_deposit", "int(subscribed = 'yes')"),
    split=HashSplit(("record_id",), 0.7, 0.1, 0.2),
    derived=DERIVED,
    imputes=IMPUTES,
    encodes=ENCODES,
    drift=Drift(
        overrides=(
            ColumnLimits(
                tuple(f"{name}_num" for name in _ECONOMY),
                warning=Limits(psi=0.25, nulls=0.01),
                error=Limits(nulls=0.05),
                reason="rates of the market move; three years of them are no range",
            ),
        ),
    ),
    files=(
        PublicFile(
            "bank-additional-full.csv",
            "74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8",
            5_834_924,
            archive="bank-additional.zip",
            member="bank-additional/bank-additional-full.csv",
        ),
    ),
    origin="https://raw.githubusercontent.com/dsrscientist/Dataset2/"
    "cbf3a5c5705a27fee318aee726668a75a044db3c",
)
