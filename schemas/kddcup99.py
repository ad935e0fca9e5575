"""Connections of a simulated air force network, 1998: is this one an attack?

Data: KDD Cup 1999, the sample of ten percent and the labelled test file, from Stolfo et al.'s
features of the DARPA intrusion detection evaluation (UCI KDD Archive). The test file is another two
weeks, with 17 kinds of attack that the training file does not have: the split is the publisher's.

Rows have no key, and seven of ten are copies of another of their file (attacks by flooding): each
different row is kept once, or a model that knows one flood would pass for a good one.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    Derived,
    GivenSplit,
    Label,
    PublicFile,
    Source,
)
from schemas.drift import ColumnLimits, Drift, Limits
from schemas.encode import Encode, Hashed, Numeric, Vocabulary

_FLAGS = ("OTH", "REJ", "RSTO", "RSTOS0", "RSTR", "S0", "S1", "S2", "S3", "SF", "SH")
# of the connection itself, as found in its packets
_CONTENT = (
    "hot", "num_failed_logins", "num_compromised", "num_root", "num_file_creations", "num_shells",
    "num_access_files",
)  # fmt: skip
_IS_TRUE = ("land", "logged_in", "root_shell", "is_guest_login")
# of the connections of the last two seconds to the same host or service
_RATES = (
    "serror_rate", "srv_serror_rate", "rerror_rate", "srv_rerror_rate", "same_srv_rate",
    "diff_srv_rate", "srv_diff_host_rate",
)  # fmt: skip
# of the last hundred connections to the same host
_HOST_RATES = (
    "dst_host_same_srv_rate", "dst_host_diff_srv_rate", "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate", "dst_host_serror_rate", "dst_host_srv_serror_rate",
    "dst_host_rerror_rate", "dst_host_srv_rerror_rate",
)  # fmt: skip
_COUNTS = ("count", "srv_count", "dst_host_count", "dst_host_srv_count")


def _double(names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(Column(name, "double", description="share, 0 to 1") for name in names)


CONNECTIONS = Source(
    name="connections",
    location=("fetched:kddcup99/kddcup.data_10_percent", "fetched:kddcup99/corrected"),
    has_header=False,
    content_key="record_id",
    primary_key=("record_id",),
    columns=(
        Column("record_id", "string", description="digest of the row and its file's name"),
        Column("duration", "long", unit="s"),
        Column("protocol_type", "string"),
        Column("service", "string"),
        Column("flag", "string", description="how the connection ended"),
        Column("src_bytes", "long", unit="B"),
        Column("dst_bytes", "long", unit="B"),
        Column("land", "int", description="1: from and to the same host and port"),
        Column("wrong_fragment", "int"),
        Column("urgent", "int"),
        Column("hot", "int"),
        Column("num_failed_logins", "int"),
        Column("logged_in", "int"),
        Column("num_compromised", "int"),
        Column("root_shell", "int"),
        Column("su_attempted", "int", description="0 to 2, though its documentation says 0 or 1"),
        Column("num_root", "int"),
        Column("num_file_creations", "int"),
        Column("num_shells", "int"),
        Column("num_access_files", "int"),
        Column("num_outbound_cmds", "int", description="0 in every row"),
        Column("is_host_login", "int", description="0 in every row of the training file"),
        Column("is_guest_login", "int"),
        Column("count", "int"),
        Column("srv_count", "int"),
        *_double(_RATES),
        Column("dst_host_count", "int"),
        Column("dst_host_srv_count", "int"),
        *_double(_HOST_RATES),
        Column("label", "string", is_outcome=True, description="normal. or the kind of attack"),
    ),
    checks=(
        Check("in_set", ("protocol_type",), values=("tcp", "udp", "icmp")),
        Check("in_set", ("flag",), values=_FLAGS),
        Check("matches", ("label",), pattern=r"^[a-z0-9_]+\.$", reason="a name and a dot"),
        *(Check("in_set", (name,), values=(0, 1)) for name in _IS_TRUE),
        *(Check("between", (name,), minimum=0, maximum=1) for name in (*_RATES, *_HOST_RATES)),
        *(Check("between", (name,), minimum=0, maximum=511) for name in _COUNTS),
        *(Check("between", (name,), minimum=0, maximum=2_000) for name in _CONTENT),
        Check("between", ("duration",), minimum=0, maximum=100_000),
        Check("between", ("src_bytes",), minimum=0, maximum=1_500_000_000),
        Check("between", ("dst_bytes",), minimum=0, maximum=1_500_000_000),
        Check("distinct_count", ("service",), minimum=2, maximum=100),
    ),
)  # fmt: skip

DERIVED = (
    Derived(Column("bytes", "long", unit="B", description="both ways"), "src_bytes + dst_bytes"),
)

ENCODES: tuple[Encode, ...] = (
    *(Numeric(name, is_log=True) for name in (
        "duration", "src_bytes", "dst_bytes", "bytes", *_CONTENT, *_COUNTS)),
    *(Numeric(name) for name in ("wrong_fragment", *_COUNTS)),
    *(Numeric(name, scale="none") for name in (*_IS_TRUE, *_RATES, *_HOST_RATES)),
    Vocabulary("protocol_type"),
    Vocabulary("flag"),
    # a service of few connections tells the attack that used it
    Vocabulary("service", min_count=20),
    Hashed(("service", "flag"), 256),
)  # fmt: skip

SPEC = DatasetSpec(
    name="kddcup99",
    title="Network connections, KDD Cup 1999, ten percent",
    question="Is this connection an attack?",
    sources=(CONNECTIONS,),
    label=Label("is_attack", "int(label <> 'normal.')", "any attack, known in training or not"),
    split=GivenSplit(
        train=("kddcup.data_10_percent",),
        test=("corrected",),
        columns=("record_id",),
        validation_share=0.1,
    ),
    derived=DERIVED,
    encodes=ENCODES,
    drift=Drift(
        overrides=(
            ColumnLimits(
                ("service_code", "service_x_flag_hash"),
                warning=Limits(psi=0.25, new_categories=0.01),
                reason="the test file is of other weeks and holds attacks on other services",
            ),
        ),
    ),
    files=(
        PublicFile(
            "kddcup.data_10_percent",
            "f8c8267ebcd9c0ed1fd7d6277fe5bfff8732e9b7db8e61b873542b2a534b6f9a",
            74_889_749,
            archive="kddcup.data_10_percent.gz",
        ),
        PublicFile(
            "corrected",
            "547dfb9c0f0dc1d9944219ec79e851191faebaeb8acbfa1cd171c418397052a4",
            47_251_540,
            archive="corrected.gz",
        ),
    ),
    origin="https://raw.githubusercontent.com/potash/brf-example/"
    "0632bcbacebd3a48a1f9669e979cfaceb0fcd5d4/data",
)
