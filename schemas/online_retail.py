"""Invoices of a British shop of gifts: who has ordered now, and orders again within 30 days?

Data: Chen, Sain and Guo 2012, "Data mining for the online retail industry" (UCI, CC BY 4.0), as 305
files, one for each day of sale from 1 December 2010 to 9 December 2011 (in github.com/databricks/
Spark-The-Definitive-Guide, data/retail-data/by-day): had as an archive of them, or as the files.

A row is a line of an invoice. The question is asked once for each order, at its first line, when
the invoice is written; other lines, cancellations, and orders without a customer have no label.
What is known of a customer comes from invoices before this one. The split is by time, with gaps of
30 days, so that no label of one split is decided by an order of the next.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    Derived,
    Label,
    PublicFile,
    Source,
    TimeSplit,
)
from schemas.encode import Cyclic, Encode, Impute, Numeric, Vocabulary

_DAY_S = 24 * 3600
_HORIZON_S = 30 * _DAY_S
_INVOICE = "over (partition by invoice_no)"
_BEFORE = (
    "over (partition by buyer order by ordered_at_s range between unbounded preceding and "
    "1 preceding)"
)
_LATER = (
    "over (partition by buyer order by ordered_at_s range between 1 following and "
    f"{_HORIZON_S} following)"
)

LINES = Source(
    name="lines",
    location="fetched:online_retail/retail_by_day.tar",
    content_key="line_id",
    primary_key=("line_id",),
    columns=(
        Column("line_id", "string", description="digest of the line and its file's name"),
        Column("invoice_no", "string", header="InvoiceNo", description="C...: a cancellation"),
        Column("stock_code", "string", header="StockCode"),
        Column("product", "string", is_nullable=True, header="Description"),
        Column("quantity", "int", header="Quantity", description="below 0: returned or lost"),
        Column("written", "string", header="InvoiceDate", description="local, without a zone"),
        Column("unit_price", "double", unit="GBP", header="UnitPrice"),
        Column("customer_id", "string", is_nullable=True, is_personal=True, header="CustomerID"),
        Column("country", "string", header="Country"),
    ),
    checks=(
        Check("between", ("quantity",), minimum=-100_000, maximum=100_000),
        Check("between", ("unit_price",), minimum=0, maximum=1_000, mostly=0.999,
              reason="fees, written-off debts and corrections are lines too"),
        Check("matches", ("invoice_no",), pattern="[AC]?[0-9]{6}"),
        Check("matches", ("written",), pattern="[0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2}"),
        Check("not_null", ("customer_id",), mostly=0.7, reason="a quarter buys without an account"),
    ),
)  # fmt: skip

DERIVED = (
    Derived(Column("invoice_date", "timestamp", description="called UTC"), "timestamp(written)"),
    Derived(
        Column("ordered_at_s", "long", unit="s", description="when the invoice is written"),
        f"max(unix_timestamp(invoice_date)) {_INVOICE}",
    ),
    Derived(
        Column("buyer", "string", is_personal=True, description="of no account: the invoice"),
        "coalesce(customer_id, invoice_no)",
    ),
    Derived(
        Column("line_number", "int"),
        "row_number() over (partition by invoice_no order by _source_file, _source_position)",
    ),
    Derived(
        Column("is_order", "int", description="at an order's first line, of a known customer"),
        "int(line_number = 1 and quantity > 0 and customer_id is not null "
        "and not startswith(invoice_no, 'C'))",
    ),
    Derived(Column("amount", "double", unit="GBP"), "quantity * unit_price"),
    Derived(Column("basket_value", "double", unit="GBP"), f"sum(amount) {_INVOICE}"),
    Derived(Column("basket_lines", "long"), f"count(*) {_INVOICE}"),
    Derived(Column("basket_items", "long"), f"sum(quantity) {_INVOICE}"),
    Derived(Column("orders_before", "long"), f"coalesce(sum(is_order) {_BEFORE}, 0)"),
    Derived(Column("spent_before", "double", unit="GBP"), f"coalesce(sum(amount) {_BEFORE}, 0)"),
    Derived(
        Column("returns_before", "long", description="lines"),
        f"coalesce(sum(int(quantity < 0)) {_BEFORE}, 0)",
    ),
    Derived(
        Column("days_since_last", "double", is_nullable=True, unit="d"),
        f"(ordered_at_s - max(case when is_order = 1 then ordered_at_s end) {_BEFORE}) / {_DAY_S}",
    ),
    Derived(
        Column("days_since_first", "double", is_nullable=True, unit="d"),
        f"(ordered_at_s - min(case when is_order = 1 then ordered_at_s end) {_BEFORE}) / {_DAY_S}",
    ),
    Derived(
        Column("days_between", "double", is_nullable=True, unit="d", description="orders, mean"),
        "try_divide(days_since_first, orders_before)",
    ),
    Derived(Column("hour_of_day", "int", unit="h"), "hour(invoice_date)"),
    Derived(Column("day_of_week", "int"), "dayofweek(invoice_date) - 1"),
)

_DAYS = ("days_since_last", "days_since_first", "days_between")

ENCODES: tuple[Encode, ...] = (
    *(Numeric(name, is_log=True) for name in ("basket_value", "basket_lines", "basket_items")),
    *(Numeric(name, is_log=True) for name in ("orders_before", "spent_before", "returns_before")),
    *(Numeric(name, is_log=True) for name in _DAYS),
    Numeric("days_since_last_was_missing", scale="none"),
    Cyclic("hour_of_day", 24),
    Cyclic("day_of_week", 7),
    Vocabulary("country", min_count=5),
)

SPEC = DatasetSpec(
    name="online_retail",
    title="Invoices of a British online shop, December 2010 to December 2011",
    question="Will the customer who has just ordered order again within 30 days?",
    sources=(LINES,),
    label=Label(
        "orders_again",
        f"case when is_order = 1 then coalesce(max(is_order) {_LATER}, 0) end",
    ),
    split=TimeSplit(
        "invoice_date",
        train=("2010-12-01", "2011-07-01"),
        validation=("2011-08-01", "2011-09-01"),
        test=("2011-10-01", "2011-11-09"),
    ),
    prediction_time="invoice_date",
    derived=DERIVED,
    imputes=(
        Impute("days_since_last", "constant", value=365.0, has_indicator=True),
        Impute("days_since_first", "constant", value=0.0),
        Impute("days_between", "constant", value=365.0),
    ),
    encodes=ENCODES,
    files=(
        PublicFile(
            "retail_by_day.tar",
            "4a0e82e4cb2dc433a62c7f23b5fbc6100f37e4bbcee5af6c331cd05b7c2b90b2",
            48_312_320,
            archive="retail_by_day.tar.gz",
        ),
    ),
    origin="https://github.com/databricks/Spark-The-Definitive-Guide",
)
