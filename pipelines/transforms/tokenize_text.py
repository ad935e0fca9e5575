"""Cut texts into tokens: words where blanks divide them, else characters."""

from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute

_compute: Any = pyarrow.compute  # as in clean_text

_NO_BLANKS = r"([\p{Han}\p{Hiragana}\p{Katakana}])"
_NO_WORD = r"[^\p{L}\p{M}\p{N}']+"
_NO_LETTER = r"[^\p{L}\p{M}\p{N}]+"
_LETTER = r"(\pL\pM*|\pN)"
# apostrophes belong to a word only between its letters
_EDGE = r"'* +'*|''+"


def tokenize_text(texts: pa.Array, by: Literal["word", "character"]) -> pa.Array:
    """Give the tokens of texts that ``clean_text`` has cleaned.

    Args:
        texts: (rows,) strings, none null.
        by: ``word``: runs of letters, marks and digits, with apostrophes inside (``don't``); Han,
            Hiragana and Katakana, which know no blanks, character by character. ``character``:
            each letter, with its marks, and each digit.

    Returns:
        (rows,) lists of strings, none of them empty; a text without a token has an empty list.
    """
    if by == "character":
        letters = _replace(texts, _NO_LETTER, " ")
        return _split(_replace(letters, _LETTER, r"\1 "))
    straight = _replace(texts, "[\u2018\u2019\u02bc]", "'")
    apart = _replace(straight, _NO_BLANKS, r" \1 ")
    return _split(_replace(_replace(apart, _NO_WORD, " "), _EDGE, " "))


def _replace(texts: pa.Array, pattern: str, replacement: str) -> pa.Array:
    return _compute.replace_substring_regex(texts, pattern=pattern, replacement=replacement)


def _split(texts: pa.Array) -> pa.Array:
    trimmed = _compute.utf8_trim(texts, characters=" '")
    split = _compute.split_pattern_regex(trimmed, pattern=" +")
    # a text of no character is cut into one empty piece
    is_empty = _compute.equal(trimmed, "")
    empty = pa.array([[]] * 1, split.type)[0]
    return _compute.if_else(is_empty, empty, split)
