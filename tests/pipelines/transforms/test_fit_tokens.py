"""The vocabulary of texts: learned on the training split, the same codes in batch and online."""

from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipelines.transforms.encode import encode, fit_encode
from pipelines.transforms.encode_arrays import encode_arrays
from schemas.contract import ContractError
from schemas.encode import Tokens, Vocabulary

_TEXTS = [
    (1, "good good good film"),
    (2, "A good <b>FILM</b>, &quot;nice&quot;"),
    (3, "bad film"),
    (4, ""),
    (5, None),
]
ITEM = Tokens("text", max_length=3, min_count=2)


def test_words_are_ranked_by_the_texts_that_hold_them(spark: SparkSession) -> None:
    df = spark.createDataFrame(_TEXTS, "id int, text string")
    state = fit_encode(df, [ITEM], ["id"])
    # three texts and two; "good" comes four times, but in two texts
    assert state.tokens == {"text_tokens": ("film", "good")}
    (feature,) = state.columns([ITEM])
    assert (feature.name, feature.kind, feature.size, feature.length) == (
        "text_tokens", "tokens", 4, 3,
    )  # fmt: skip
    capped = fit_encode(df, [Tokens("text", 3, max_size=1, min_count=1)], ["id"])
    assert capped.tokens == {"text_tokens": ("film",)}
    every = fit_encode(df, [Tokens("text", 3, min_count=1)], ["id"])
    assert every.tokens == {"text_tokens": ("film", "good", "a", "bad", "nice")}


def test_batch_and_online_give_the_same_codes_and_the_unknown_is_one(spark: SparkSession) -> None:
    state = fit_encode(spark.createDataFrame(_TEXTS, "id int, text string"), [ITEM], ["id"])
    new = [*_TEXTS, (6, "GOOD&nbsp;zebra<br>film film film")]
    df = spark.createDataFrame(new, "id int, text string")
    rows = encode(df, [ITEM], state, ["id"]).orderBy("id").collect()
    batch = [row.text_tokens for row in rows]
    assert batch == [[3, 3, 3], [1, 3, 2], [1, 2], [], [], [3, 1, 2]]
    words = {"text": pa.array([text for _, text in new])}
    online: Any = encode_arrays({}, words, [ITEM], state)["text_tokens"]
    assert online.to_pylist() == batch


def test_two_encodings_of_one_column_keep_their_own_words(spark: SparkSession) -> None:
    df = spark.createDataFrame(_TEXTS, "id int, text string")
    items = [ITEM, Vocabulary("text")]
    state = fit_encode(df, items, ["id"])
    assert state.tokens["text_tokens"] == ("film", "good")
    assert len(state.vocabularies["text"]) == 4


def test_texts_without_a_frequent_word_are_an_error(spark: SparkSession) -> None:
    df = spark.createDataFrame([(1, "one"), (2, "two")], "id int, text string")
    with pytest.raises(ContractError, match="tokens of text: expected words that are in 2 texts"):
        fit_encode(df, [ITEM], ["id"])
