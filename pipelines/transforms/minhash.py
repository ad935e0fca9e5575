"""MinHash signatures of texts, in NumPy: texts that share most shingles share a band of hashes.

Broder 1997, "On the resemblance and containment of documents"; bands as in Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", 3.4.
"""

import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

_compute: Any = pyarrow.compute  # as in clean_text

NUM_HASHES = 100
_ROWS_OF_BAND = (20, 10, 5, 4, 2, 1)
_MOST_MISSED = 0.001
_SEED = 20_261_130
_HALF = np.uint64(32)


def rows_of_band(similarity: float) -> int:
    """Give how many hashes a band has, so that few pairs of that similarity share none.

    A pair of similarity s shares a band of r hashes, of ``NUM_HASHES`` / r bands, with the
    probability 1 - (1 - s^r)^(bands).

    >>> [rows_of_band(similarity) for similarity in (0.5, 0.8, 0.9, 1.0)]
    [2, 5, 5, 20]
    """
    for rows in _ROWS_OF_BAND:
        if (1 - similarity**rows) ** (NUM_HASHES // rows) < _MOST_MISSED:
            return rows
    return 1


def shingle_hashes(tokens: pa.Array, shingle: int) -> pa.Array:
    """Give a hash of each run of ``shingle`` tokens of each row, once.

    A row of fewer tokens has one shingle, all of them; one without a token has none.

    Args:
        tokens: (rows,) lists of strings.
        shingle: Tokens of a run.

    Returns:
        (rows,) lists of int64, ascending.
    """
    lengths = _compute.list_value_length(tokens).to_numpy(zero_copy_only=False).astype(np.int64)
    words = _compute.list_flatten(tokens).dictionary_encode()
    known = [zlib.crc32(word.encode()) for word in words.dictionary.to_pylist()]
    codes = _mix(np.array(known, np.uint64))[words.indices.to_numpy()]
    counts = np.where(lengths > 0, np.maximum(lengths - shingle + 1, 1), 0)
    row = np.repeat(np.arange(len(lengths)), counts)
    begins = (np.cumsum(lengths) - lengths)[row] + _places(counts)
    ends = (np.cumsum(lengths))[row]
    hashes = np.zeros(len(row), np.uint64)
    for place in range(shingle):
        at = begins + place
        is_inside = at < ends
        following = codes[np.where(is_inside, at, 0)] if len(codes) else codes
        hashes = _mix(hashes + np.where(is_inside, following, np.uint64(0)))
    return _unique_lists(row, hashes.view(np.int64), len(lengths))


def bands(shingles: pa.Array, rows: int) -> pa.Array:
    """Give the hash of each band of the MinHash signature of each row.

    Args:
        shingles: As ``shingle_hashes`` gives them.
        rows: Hashes of a band.

    Returns:
        (rows,) lists of ``NUM_HASHES // rows`` int64; an empty list for a row without shingles.
    """
    lengths = _compute.list_value_length(shingles).to_numpy(zero_copy_only=False)
    values = _compute.list_flatten(shingles).to_numpy(zero_copy_only=False).view(np.uint64)
    is_there = lengths > 0
    begins = (np.cumsum(lengths) - lengths)[is_there]
    num_bands = NUM_HASHES // rows
    found = np.zeros((int(is_there.sum()), num_bands), np.uint64)
    random = np.random.default_rng(_SEED)
    for band in range(num_bands):
        for _ in range(rows):
            factor, shift = random.integers(0, 2**64, 2, dtype=np.uint64)
            # multiply-shift: Dietzfelbinger et al. 1997, "A Reliable Randomized Algorithm"
            hashed = (values * (factor | np.uint64(1)) + shift) >> _HALF
            least = np.minimum.reduceat(hashed, begins) if len(begins) else found[:, band]
            found[:, band] = _mix(found[:, band] + least)
        # bands of one row are told apart, so that they meet their like only
        found[:, band] = _mix(found[:, band] + np.uint64(band))
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(is_there * num_bands)])
    return pa.ListArray.from_arrays(
        offsets.astype(np.int32), pa.array(found.reshape(-1).view(np.int64))
    )


def _places(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... for each of ``counts``, laid end to end."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def _unique_lists(row: NDArray[np.int64], values: NDArray[np.int64], num_rows: int) -> pa.Array:
    order = np.lexsort((values, row))
    row, values = row[order], values[order]
    is_new = np.ones(len(row), bool)
    is_new[1:] = (row[1:] != row[:-1]) | (values[1:] != values[:-1])
    counts = np.bincount(row[is_new], minlength=num_rows)
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values[is_new]))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter the bits of 64-bit numbers (the finalizer of SplitMix64, Steele et al. 2014)."""
    mixed = (values + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
