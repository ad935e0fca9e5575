"""Film reviews of the Internet Movie Database: did the reviewer like the film?

Data: Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011; 25,000 reviews to train
on and 25,000 of other films to test on, half of each with 7 to 10 stars of ten, half with 1 to 4
(for research; no licence is stated, cite the paper). Each review is a file, whose name says its
number and stars; more than half hold HTML.

The publisher's archive, aclImdb_v1.tar.gz of ai.stanford.edu/~amaas/data/sentiment, also holds
50,000 reviews without a label. The one named here has the labelled ones only. The other, or a
folder of it unpacked, is read by ``--sources reviews=PATH``; its reviews without a label are then
filtered.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    GivenSplit,
    Label,
    NearDuplicates,
    PublicFile,
    Source,
)
from schemas.encode import Tokens

REVIEWS = Source(
    name="reviews",
    location="fetched:imdb/aclImdb_labelled.tar",
    format="files",
    path_pattern="**/{given}/{sentiment}/{number}_{stars}.txt",
    columns=(
        Column("given", "string", description="train or test, as published"),
        Column("sentiment", "string", is_outcome=True, description="pos or neg; unsup: not known"),
        Column("number", "int"),
        Column("stars", "int", is_outcome=True, description="1 to 10; 0: not known"),
        Column("review", "string", header="content", description="HTML in it"),
    ),
    primary_key=("given", "sentiment", "number"),
    max_file_bytes=2**20,
    checks=(
        Check("in_set", ("given",), values=("train", "test")),
        Check("in_set", ("sentiment",), values=("pos", "neg", "unsup")),
        Check("between", ("stars",), minimum=0, maximum=10),
    ),
)

SPEC = DatasetSpec(
    name="imdb",
    title="Film reviews, IMDB",
    question="Did the reviewer like the film?",
    sources=(REVIEWS,),
    label=Label(
        "is_positive", "CASE sentiment WHEN 'pos' THEN 1 WHEN 'neg' THEN 0 END", "7 stars or more"
    ),
    split=GivenSplit(
        train=("train",),
        test=("test",),
        by="given",
        columns=("sentiment", "number"),
        validation_share=0.1,
    ),
    # of the copies most are word by word; two are in the test file what is in the training file
    near_duplicates=NearDuplicates("review"),
    encodes=(Tokens("review", max_length=400, max_size=20_000, min_count=3),),
    files=(
        PublicFile(
            "aclImdb_labelled.tar",
            "30147641ff1bf65b522bb7a9bc2aa04c0cd1cb3f1a021d253cffec75f380dc2d",
            106_455_040,
            archive="aclImdb_labelled.tar.gz",
        ),
    ),
    origin="https://ai.stanford.edu/~amaas/data/sentiment",
)
