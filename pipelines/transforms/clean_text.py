"""Make plain text of what a page held: tags and entities out, one form of each character.

It works on Arrow columns, so that a Spark task and a server that holds one text clean alike. Tags
and cases are Arrow's own functions. Entities have none there nor in Spark, and of the normal forms
that pyarrow 14 makes none composes: its NFKC of an e with an acute accent is two characters. Both
are Python's, for texts with an ``&`` or beyond ASCII only.
"""

import html
import unicodedata
from typing import Any

import pyarrow as pa
import pyarrow.compute

# pyarrow makes its functions at import, out of any type checker's sight
_compute: Any = pyarrow.compute

# what no reader sees: https://html.spec.whatwg.org/multipage/syntax.html
_UNSEEN = r"(?is)<!--.*?-->|<(?:script|style)\b.*?</(?:script|style)\s*>"
# "a < b" and "<3" are no tags: those begin with a letter
_TAG = r"</?[A-Za-z][^<>]*>"


def clean_text(texts: pa.Array) -> pa.Array:
    """Give texts without HTML, in Unicode's form NFKC, in lower case.

    Tags, comments, scripts and styles become a blank, entities the character that they stand for
    (HTML 5, once: ``&amp;lt;`` becomes ``&lt;``). NFKC (Unicode Standard Annex 15) makes one of
    full-width and plain letters, of ligatures and their letters.

    Args:
        texts: (rows,) strings or nulls.

    Returns:
        (rows,) strings; a null stays one.
    """
    seen = _compute.replace_substring_regex(texts, pattern=_UNSEEN, replacement=" ")
    bare = _compute.replace_substring_regex(seen, pattern=_TAG, replacement=" ")
    return _compute.utf8_lower(_unescape(bare))


def _unescape(texts: pa.Array) -> pa.Array:
    """Undo entities, and give what is beyond ASCII, before or after that, its normal form."""
    is_plain = _compute.and_not(
        _compute.string_is_ascii(texts), _compute.match_substring(texts, "&")
    )
    is_other = _compute.fill_null(_compute.invert(is_plain), fill_value=False)
    others = texts.filter(is_other).to_pylist()
    made = [unicodedata.normalize("NFKC", html.unescape(text)) for text in others]
    return _compute.replace_with_mask(texts, is_other, pa.array(made, texts.type))
