import numpy as np
import pytest

from pipelines.explanation.text_part import UNKNOWN, attribute_texts
from tests.pipelines.explanation.cases import personal, text_case
from tests.pipelines.explanation.networks import TEXT


def test_the_planted_word_leads_the_words_that_add_and_each_text_sums_up() -> None:
    case = text_case()
    found = attribute_texts(case, TEXT, 20, 8)
    # the planted word has the code 7
    assert found["words"]["up"][0]["word"] == "w7"
    assert found["words"]["up"][0]["texts"] >= 3
    assert "w7" not in [item["word"] for item in found["words"]["down"]]
    assert found["miss"] < 1e-3
    first = found["rows"][0]
    assert first["why"] == "surest of 1, and right"
    assert max(first["words"], key=lambda item: item[1])[0] == "w7"
    total = sum(value for _, value in first["words"])
    assert total == pytest.approx(first["logit"] - first["base"], abs=1e-4)
    probability = 1 / (1 + np.exp(-first["logit"]))
    assert first["said"] == f"1, probability {probability:.3f}"


def test_padding_is_no_word_and_one_out_of_vocabulary_is_told_as_such() -> None:
    case = text_case()
    tokens, lengths = case.arrays.others["text_tokens"], case.arrays.others["text_tokens_length"]
    tokens[:, 0] = 1
    for row in attribute_texts(case, TEXT, 2, 2)["rows"]:
        place = int(row["key"]["id"])
        assert len(row["words"]) == lengths[place]
        assert row["words"][0][0] == UNKNOWN


def test_words_of_a_personal_column_are_not_told() -> None:
    found = attribute_texts(personal(text_case(), "text_tokens"), TEXT, 20, 8)
    assert found == {"feature": "text_tokens", "is_personal": True}
