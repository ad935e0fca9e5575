"""Ratings of films by visitors of MovieLens, 1997 and 1998: how many stars will this one give?

Data: MovieLens 100K, GroupLens at the University of Minnesota (research use, cite Harper and
Konstan, "The MovieLens Datasets", ACM TiiS 2015), in the tables that the library RecBole carries:
100,000 ratings of 1 to 5 stars by 943 visitors, each of 20 films at least, of 1,682 films.

Ratings are split at random, as in the published comparisons, and neither when a rating was given
nor what else its visitor gave is an input: the network learns an embedding of each visitor and
each film.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    HashSplit,
    Label,
    PublicFile,
    Source,
)
from schemas.encode import Bucketed, Encode, Impute, Join, Numeric, Vocabulary

_NUM_VISITORS, _NUM_FILMS = 943, 1_682

RATINGS = Source(
    name="ratings",
    location="fetched:movielens100k/ml-100k.inter",
    delimiter="\t",
    primary_key=("user_id", "item_id"),
    columns=(
        Column("user_id", "int", header="user_id:token"),
        Column("item_id", "int", header="item_id:token"),
        Column("rating", "double", unit="star", is_outcome=True, header="rating:float"),
        Column("rated_at", "double", unit="s", is_outcome=True, header="timestamp:float",
               description="Unix time"),
    ),
    checks=(
        Check("sql", ("rating",), sql="rating in (1, 2, 3, 4, 5)"),
        Check("in_table", ("user_id",), other="visitors.user_id"),
        Check("in_table", ("item_id",), other="films.item_id"),
    ),
)  # fmt: skip

FILMS = Source(
    name="films",
    location="fetched:movielens100k/ml-100k.item",
    delimiter="\t",
    primary_key=("item_id",),
    null_values=("", "unkonwn", "V"),
    columns=(
        Column("item_id", "int", header="item_id:token"),
        Column("title", "string", is_nullable=True, header="movie_title:token_seq"),
        Column("release_year", "int", is_nullable=True, header="release_year:token",
               description="of one film unknown, of another misread as V"),
        Column("genres", "string", is_nullable=True, header="class:token_seq"),
    ),
    checks=(Check("between", ("release_year",), minimum=1900, maximum=1998),),
)  # fmt: skip

VISITORS = Source(
    name="visitors",
    location="fetched:movielens100k/ml-100k.user",
    delimiter="\t",
    primary_key=("user_id",),
    columns=(
        Column("user_id", "int", header="user_id:token"),
        Column("age", "int", unit="a", header="age:token"),
        Column("gender", "string", header="gender:token"),
        Column("occupation", "string", header="occupation:token"),
        Column("zip_code", "string", is_personal=True, header="zip_code:token"),
    ),
    checks=(
        Check("between", ("age",), minimum=5, maximum=110),
        Check("in_set", ("gender",), values=("F", "M")),
    ),
)

JOINS = (
    Join(
        "films",
        on=(("item_id", "item_id"),),
        columns=(("release_year", "release_year"), ("genres", "genres")),
    ),
    Join(
        "visitors",
        on=(("user_id", "user_id"),),
        columns=(("age", "age"), ("gender", "gender"), ("occupation", "occupation")),
    ),
)

IMPUTES = (
    Impute("release_year", "median"),
    Impute("genres", "constant", value="unknown"),
    Impute("age", "median"),
    Impute("gender", "mode"),
    Impute("occupation", "mode"),
)

ENCODES: tuple[Encode, ...] = (
    Vocabulary("user_id", max_size=_NUM_VISITORS),
    Vocabulary("item_id", max_size=_NUM_FILMS),
    Vocabulary("genres"),
    Vocabulary("occupation"),
    Vocabulary("gender"),
    Bucketed("release_year", num_quantiles=8),
    Numeric("release_year"),
    Numeric("age"),
)

SPEC = DatasetSpec(
    name="movielens100k",
    title="Ratings of films, 1997 and 1998",
    question="How many stars will this visitor give this film?",
    sources=(RATINGS, FILMS, VISITORS),
    label=Label("stars", "rating", is_number=True, unit="star"),
    split=HashSplit(("user_id", "item_id"), 0.72, 0.08, 0.2),
    joins=JOINS,
    imputes=IMPUTES,
    encodes=ENCODES,
    files=(
        PublicFile(
            "ml-100k.inter",
            "d4832a77576cb5a480517a9554eef1872331f1ba780ddcd3f4bf956d562ccfc2",
            2_079_231,
        ),
        PublicFile(
            "ml-100k.item",
            "d464074b022a10862d32e8885d298ad09464733be6effaf4bd26761995afea38",
            68_315,
        ),
        PublicFile(
            "ml-100k.user",
            "94005f99b329506e0c6da740267d2bc41dc7d22425ce2096d9a892e42bd499f0",
            23_641,
        ),
    ),
    origin="https://raw.githubusercontent.com/RUCAIBox/RecBole/v1.2.0/recbole/dataset_example/ml-100k",
)
