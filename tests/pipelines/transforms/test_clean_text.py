"""Cleaning: HTML out, one form of each character, and no null lost."""

import pyarrow as pa
import pytest

from pipelines.transforms.clean_text import clean_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good.<br /><br />Bad.", "good.  bad."),
        ("<p class='x'>one</p>\n<!-- not\nseen -->two", " one \n two"),
        ("a<script>var x = '<b>'</script>b<STYLE>p {}</style >c", "a b c"),
        # a sign, a heart and a comparison are no tags; nor is one that never ends
        ("1 < 2, I <3 it, a<b", "1 < 2, i <3 it, a<b"),
        (
            "Tom &amp; Jerry &lt;3 &#39;quoted&#x27; caf&eacute;",
            "tom & jerry <3 'quoted' caf\u00e9",
        ),
        # an entity that stands for a tag is text, and entities are undone once
        ("&lt;br&gt; &amp;lt;", "<br> &lt;"),
        (
            "\uff26\uff35\uff2c\uff2c \uff57\uff49\uff44\uff54\uff48 \ufb01ne \u2460",
            "full width fine 1",
        ),
        ("e\u0301 and \u00e9", "\u00e9 and \u00e9"),
        # what an entity stands for gets its form and case too
        ("&#201;COLE e&#769; &#xFB01;", "\u00e9cole \u00e9 fi"),
        ("", ""),
        (None, None),
    ],
)
def test_what_a_reader_sees_is_left(text: str | None, expected: str | None) -> None:
    assert clean_text(pa.array([text], pa.string())).to_pylist() == [expected]


def test_a_text_of_ten_megabytes_and_its_neighbours_are_cleaned() -> None:
    found = clean_text(pa.array(["<b>A</b>&amp;", "<i>x</i> " * 1_200_000, None, "&lt;"]))
    assert found[0].as_py() == " a &"
    assert len(found[1].as_py()) == 4 * 1_200_000
    assert found.to_pylist()[2:] == [None, "<"]
