"""Tokens: words where blanks divide them, else characters."""

import pyarrow as pa
import pytest

from pipelines.transforms.tokenize_text import tokenize_text


@pytest.mark.parametrize(
    ("text", "by_word", "by_character"),
    [
        ("it's good, don't go!", ["it's", "good", "don't", "go"], [*"itsgooddontgo"]),
        ("'quoted' it''s 'n' ''", ["quoted", "it", "s", "n"], [*"quoteditsn"]),
        ("l\u2019\u00e9t\u00e9 2024", ["l'\u00e9t\u00e9", "2024"], [*"l\u00e9t\u00e92024"]),
        ("\u2018n\u2018t qur\u02bcan", ["n't", "qur'an"], [*"ntqur\u02bcan"]),
        ("房间很大,wifi不错", ["房", "间", "很", "大", "wifi", "不", "错"], [*"房间很大wifi不错"]),
        ("カタカナ ひらがな", [*"カタカナひらがな"], [*"カタカナひらがな"]),
        # a mark belongs to its letter
        ("हिन्दी", ["हिन्दी"], ["हि", "न्", "दी"]),
        ("... !!! <3", ["3"], ["3"]),
        ("' . '", [], []),
        ("", [], []),
    ],
)
def test_tokens_of_a_text(text: str, by_word: list[str], by_character: list[str]) -> None:
    texts = pa.array([text, "x"])
    assert tokenize_text(texts, "word").to_pylist() == [by_word, ["x"]]
    assert tokenize_text(texts, "character").to_pylist() == [by_character, ["x"]]
