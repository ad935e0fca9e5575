"""Chinese reviews of hotels: is the guest content?

Data: ChnSentiCorp (Tan Songbo), 7,766 reviews from Ctrip as SophonPlus/ChineseNlpCorpus keeps them
(no licence is stated). Chinese knows no blanks between words: each character is a token.
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

REVIEWS = Source(
    name="reviews",
    location="fetched:hotel_reviews/ChnSentiCorp_htl_all.csv",
    content_key="review_id",
    columns=(
        Column("review_id", "string", description="digest of the row and its file's name"),
        Column("label", "int", is_outcome=True, description="1: content"),
        Column("review", "string"),
    ),
    primary_key=("review_id",),
    checks=(Check("in_set", ("label",), values=(0, 1)),),
)

SPEC = DatasetSpec(
    name="hotel_reviews",
    title="Chinese hotel reviews, ChnSentiCorp",
    question="Is the guest content with the hotel?",
    sources=(REVIEWS,),
    label=Label("is_content", "label"),
    split=HashSplit(("review",), train=0.8, validation=0.1, test=0.1),
    near_duplicates=NearDuplicates("review", by="character"),
    encodes=(Tokens("review", max_length=200, max_size=5_000, min_count=2),),
    files=(
        PublicFile(
            "ChnSentiCorp_htl_all.csv",
            "1d414b9c65caf3a836abdb4efded621968502ad3338e1a9d885ae131c86083f0",
            2_904_858,
        ),
    ),
    origin="https://raw.githubusercontent.com/SophonPlus/ChineseNlpCorpus/a0b781d72158/datasets/"
    "ChnSentiCorp_htl_all",
)
