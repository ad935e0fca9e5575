"""Words of texts: what each adds to what a network says, row by row and on the whole."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from pipelines.explanation.case import Case
from pipelines.explanation.integrated_gradients import Attribution, integrated_gradients
from pipelines.explanation.network_parts import EMBEDDED, cut_behind, randomised
from pipelines.explanation.sanity import mean_rank_correlation
from pipelines.explanation.telling_rows import telling_rows
from schemas.encode import FIRST_TOKEN, FeatureColumn, length_name

_LEAST_TEXTS = 3  # in which a word must be for its mean to be shown
_SHOWN_WORDS = 12
_CHECKED_TEXTS = 8
UNKNOWN = "(rare)"


def attribute_texts(case: Case, column: FeatureColumn, rows: int, steps: int) -> dict[str, Any]:
    """Attribute what the network says of ``rows`` texts to their words.

    The texts shown are telling ones; the words of all, drawn at random, are averaged. Those of a
    personal column are not told.
    """
    if case.is_personal(column.name):
        return {"feature": column.name, "is_personal": True}
    random = np.random.default_rng(case.seed)
    drawn = random.permutation(len(case.said))[:rows]
    shown = telling_rows(case)
    places = list(dict.fromkeys([*(place for _, place in shown), *map(int, drawn)]))
    cut = cut_behind(case.network, f"{EMBEDDED}{column.name}")
    arrays, called = case.arrays.take(np.array(places)), case.called[places]
    found = integrated_gradients(cut, arrays, called, steps)
    values = found.values.sum(axis=-1)  # over the embedding's dimensions
    blind = cut_behind(randomised(case.network, case.seed), f"{EMBEDDED}{column.name}")
    few = slice(_CHECKED_TEXTS)
    other = integrated_gradients(blind, arrays.take(few), called[few], steps).values.sum(axis=-1)
    drawn_only = slice(len(shown), None)
    return {
        "feature": column.name,
        "is_personal": False,
        "of": say_logit(case),
        "steps": steps,
        "texts": len(places),
        "miss": relative_miss(found),
        "randomised": mean_rank_correlation(values[few, : other.shape[1]], other),
        "words": _mean_words(case, column, values[drawn_only], arrays.take(drawn_only)),
        "rows": [
            {"why": why, **case.describe(place), "base": float(found.base[at]),
             "logit": float(found.said[at]), "words": _words_of(case, column, arrays, values, at)}
            for at, (why, place) in enumerate(shown)
        ],
    }  # fmt: skip


def say_logit(case: Case) -> str:
    """Name what gradients are taken of."""
    target = case.features.target
    if target.kind == "number":
        return case.number
    if target.kind == "binary":
        return f"log odds of {case.features.label} = 1"
    return "logit of the class called"


def relative_miss(found: Attribution) -> float:
    """By how much the sums miss, over the mean size of what they should be."""
    whole = np.mean(np.abs(found.said - found.base))
    return float(np.mean(np.abs(found.gap)) / whole) if whole else 0.0


def _words_of(
    case: Case, column: FeatureColumn, arrays: Any, values: Any, at: int
) -> list[list[Any]]:
    """Each word of a text with its value, in order: ``[word, value]``."""
    length = min(int(arrays.others[length_name(column.name)][at]), values.shape[1])
    codes = arrays.others[column.name][at, :length]
    return [
        [_word(case, column, int(code)), float(value)]
        for code, value in zip(codes, values[at, :length], strict=True)
    ]


def _word(case: Case, column: FeatureColumn, code: int) -> str:
    known = case.words.get(column.name, ())
    place = code - FIRST_TOKEN
    return known[place] if 0 <= place < len(known) else UNKNOWN


def _mean_words(
    case: Case, column: FeatureColumn, values: Any, arrays: Any
) -> dict[str, list[dict[str, Any]]]:
    """The words that add most, and those that take most, in the mean over where they stand."""
    if case.features.target.kind == "classes":
        return {}  # what speaks for one class says nothing of the others
    each: dict[str, list[float]] = defaultdict(list)
    texts: dict[str, set[int]] = defaultdict(set)
    for at in range(len(values)):
        for word, value in _words_of(case, column, arrays, values, at):
            each[word].append(value)
            texts[word].add(at)
    means = {word: float(np.mean(found)) for word, found in each.items()
             if len(texts[word]) >= _LEAST_TEXTS and word != UNKNOWN}  # fmt: skip
    up = sorted((w for w in means if means[w] > 0), key=lambda word: -means[word])
    down = sorted((w for w in means if means[w] < 0), key=lambda word: means[word])

    def told(words: Iterable[str]) -> list[dict[str, Any]]:
        return [{"word": w, "mean": means[w], "texts": len(texts[w])} for w in words]

    return {"up": told(up[:_SHOWN_WORDS]), "down": told(down[:_SHOWN_WORDS])}
