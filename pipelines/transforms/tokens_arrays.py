"""Texts as lists of codes, on Arrow columns: one definition for batch and online use."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from pipelines.transforms.clean_text import clean_text
from pipelines.transforms.tokenize_text import tokenize_text
from schemas.encode import FIRST_TOKEN, Tokens

_compute: Any = pyarrow.compute  # as in clean_text
_UNKNOWN = FIRST_TOKEN - 1


def tokens_of(texts: pa.Array, item: Tokens) -> pa.Array:
    """Clean (rows,) texts, of which a null counts as empty, and give lists of all their tokens."""
    return tokenize_text(clean_text(_compute.fill_null(texts, "")), item.by)


def encode_tokens(texts: pa.Array, item: Tokens, vocabulary: Sequence[str]) -> pa.Array:
    """Give the codes of the first ``item.max_length`` tokens of each text.

    Args:
        texts: (rows,) strings or nulls.
        item: The encoding.
        vocabulary: Words, that of code 2 first.

    Returns:
        (rows,) lists of int32: 1 for a word out of vocabulary; padding is the reader's.
    """
    lists = _compute.list_slice(tokens_of(texts, item), 0, item.max_length)
    words, lengths = _compute.list_flatten(lists), _compute.list_value_length(lists)
    places = _compute.index_in(words, value_set=pa.array(vocabulary, pa.string()))
    known = _compute.fill_null(places, -1).to_numpy(zero_copy_only=False)
    codes = np.where(known < 0, _UNKNOWN, known + FIRST_TOKEN).astype(np.int32)
    ends = np.cumsum(lengths.to_numpy(zero_copy_only=False), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    return pa.ListArray.from_arrays(offsets, pa.array(codes))


def count_texts(texts: pa.Array, item: Tokens) -> tuple[list[str], list[int]]:
    """Give the different tokens of some texts, and how many texts each of them is in."""
    lists = tokens_of(texts, item)
    words = _compute.list_flatten(lists).dictionary_encode()
    names = words.dictionary.to_pylist()
    rows = _compute.list_parent_indices(lists).to_numpy().astype(np.int64)
    codes = words.indices.to_numpy()
    once = np.unique(rows * max(len(names), 1) + codes)
    counts = np.bincount(once % max(len(names), 1), minlength=len(names))
    return names, counts.tolist()
