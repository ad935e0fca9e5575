"""Near duplicates: MinHash against a comparison of all pairs; and what becomes of what is found."""

import doctest
import random
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from pipelines.step import FATE
from pipelines.transforms import minhash
from pipelines.transforms.minhash import bands, shingle_hashes
from pipelines.transforms.near_duplicates import count_near, find_near, hash_texts, mark_near
from schemas.near import NearDuplicates

NEAR = NearDuplicates("text", similarity=0.8, shingle=2)
_WORDS = [f"w{number}" for number in range(400)]
_ROWS = [
    (1, "train", "the film was long and the end was sad but the music was fine"),
    (2, "train", "The film was long, and the end was sad; but the music was fine!"),
    (3, "train", "another story of a dog and a cat in the old town by the sea"),
    (4, "validation", "The film was long and the end was sad but the music was <b>fine</b>"),
    (5, "test", "another story of a dog and a cat in the old town by the sea again"),
    (6, "test", "nothing like the others here, all new and all apart from them"),
    (7, "test", "nothing like the others here, all new and all apart from them"),
    (8, "train", ""),
    (9, "test", ""),
    (10, "train", None),
]


def _frame(spark: SparkSession, given: list[Any] = _ROWS) -> DataFrame:
    rows = [(*row, "kept") for row in given]
    return spark.createDataFrame(rows, f"id long, split string, text string, {FATE} string")


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(minhash).failed == 0


def test_rows_near_to_a_later_split_or_to_an_earlier_row_are_filtered(spark: SparkSession) -> None:
    df = _frame(spark)
    found = find_near(hash_texts(df, ["id"], NEAR), NEAR.similarity)
    fates = {row["id"]: row[FATE] for row in mark_near(df, found, ["id"], NEAR).collect()}
    # 7 is a copy of 6, but the test split stays; texts without a word are near to nothing
    across = dict.fromkeys((1, 2, 3), "filtered:near_other_split")
    assert fates == {**dict.fromkeys(range(1, 11), "kept"), **across}
    assert count_near(found) == {
        "train": {"train": 1, "validation": 2, "test": 1},
        "validation": {"train": 1},
        "test": {"train": 1, "test": 1},
    }
    only_within = NearDuplicates("text", 0.8, 2, across="report")
    marked = mark_near(df, found, ["id"], only_within).collect()
    assert [row["id"] for row in marked if row[FATE] == "filtered:near_duplicate"] == [2]
    nothing = NearDuplicates("text", 0.8, 2, across="report", within="report")
    assert {row[FATE] for row in mark_near(df, found, ["id"], nothing).collect()} == {"kept"}


def test_a_pair_just_that_similar_is_near_and_a_part_of_a_longer_text_is_not(
    spark: SparkSession,
) -> None:
    rows: list[Any] = [
        (1, "train", "a b c d"),
        (2, "test", "a b c d e f g h"),  # four of eight shared
        (3, "train", "k l m n o p q r s t"),
        (4, "test", "k l m n o p q r s t 0 1 2 3 4 5 6 7 8 9 x"),  # ten of twenty-one
    ]
    near = NearDuplicates("text", similarity=0.5, shingle=1)
    found = find_near(hash_texts(_frame(spark, rows), ["id"], near), near.similarity)
    assert sorted((row["_key"].id, row["near_split"]) for row in found.collect()) == [
        (1, "test"), (2, "train"),
    ]  # fmt: skip


def test_a_template_of_one_split_does_not_hide_a_row_of_another(spark: SparkSession) -> None:
    # each is held to fifty others: to fifty of each split
    rows: list[Any] = [(key, "train", "one text of sixty rows") for key in range(60)]
    df = _frame(spark, [*rows, (60, "test", "one text of sixty rows")])
    found = find_near(hash_texts(df, ["id"], NEAR), NEAR.similarity)
    assert count_near(found) == {"train": {"train": 59, "test": 60}, "test": {"train": 1}}


def test_every_pair_of_the_similarity_shares_a_band_and_no_stranger_does() -> None:
    draw = random.Random(5)
    texts = [draw.choices(_WORDS, k=60) for _ in range(400)]
    # two words changed far apart leave 52 of 58 shingles: just above the similarity
    for base in texts[:200]:
        copy = list(base)
        for place in (draw.randrange(5, 25), draw.randrange(30, 55)):
            copy[place] = "another"
        texts.append(copy)
    shingles = shingle_hashes(pa.array(texts), 3)
    sets = [set(zip(text, text[1:], text[2:], strict=False)) for text in texts]
    assert [len(item) for item in shingles.to_pylist()] == [len(item) for item in sets]
    found = [set(item) for item in bands(shingles, 5).to_pylist()]
    for one in range(200):
        jaccard = len(sets[one] & sets[400 + one]) / len(sets[one] | sets[400 + one])
        assert 0.8 < jaccard < 0.83
        assert found[one] & found[400 + one]
        assert not found[one] & found[200 + one]


def test_a_text_of_fewer_words_than_a_shingle_has_one() -> None:
    tokens = pa.array([["a", "b"], [], ["a", "b"], ["b", "a"], ["a"]])
    short, none, same, turned, one = shingle_hashes(tokens, 3).to_pylist()
    assert len(short) == len(turned) == len(one) == 1
    assert none == []
    assert short == same
    assert short != turned
    assert bands(shingle_hashes(tokens, 3), 5).to_pylist()[1] == []
