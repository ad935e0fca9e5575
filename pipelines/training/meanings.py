"""What the inputs of a network mean, and where the rows of an embedding are in another network's.

Row 17 of an embedding is another word in another vocabulary, so embeddings go word by word. A word
that is not known there gets the row of its "out of vocabulary": what that network took it for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.encode import FIRST_TOKEN, FeatureSet

_UNKNOWN_CODE, _UNKNOWN_TOKEN = 0, 1


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the inputs of a network mean, by the state of its features.

    ``words`` holds what each code of a column stands for, by feature; a hashed column has none.
    """

    features: FeatureSet
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, features: FeatureSet, state: Mapping[str, Any]) -> "Meaning":
        """Give what a state of ``engineer_features`` says, read as JSON."""
        encode = state.get("encode", {})
        words: dict[str, Sequence[str]] = {
            f"{column}_code": ("", *known)
            for column, known in encode.get("vocabularies", {}).items()
        }
        words |= {
            f"{column}_bucket": (*map(str, bounds), "above")
            for column, bounds in encode.get("boundaries", {}).items()
        }
        reserved = ("",) * FIRST_TOKEN
        words |= {name: (*reserved, *known) for name, known in encode.get("tokens", {}).items()}
        return cls(features, words)


@dataclass(frozen=True, slots=True)
class Words:
    """Where an embedding's rows come from: a layer there, and the words of both, code by code.

    Codes below ``reserved`` mean the same everywhere; ``unknown`` is the one for other words.
    """

    layer: str
    here: Sequence[str]
    there: Sequence[str]
    reserved: int
    unknown: int

    @property
    def is_same(self) -> bool:
        """Whether each code is the same word there."""
        return list(self.here) == list(self.there)

    def codes(self) -> list[int]:
        """Give, of each code here, the one there; see the module."""
        known = {word: code for code, word in enumerate(self.there) if code >= self.reserved}
        return [
            code if code < self.reserved else known.get(word, self.unknown)
            for code, word in enumerate(self.here)
        ]

    def num_known(self) -> tuple[int, int]:
        """Give how many words here are words there, and how many there are."""
        known, new = {*self.there[self.reserved :]}, self.here[self.reserved :]
        return sum(word in known for word in new), len(new)


def named_embeddings(meaning: Meaning) -> dict[str, str]:
    """Give the columns of a network's embeddings, by layer; see ``tabular_parts`` and ``embed``."""
    features = meaning.features
    found = {f"embed_{number}": name for number, name in enumerate(features.categorical)}
    return found | {f"embed_{column.name}": column.name for column in features.tokens}


def embeddings_of(meaning: Meaning, source: Meaning | None) -> dict[str, Words]:
    """Give where the rows of each embedding come from, of those that mean something there."""
    if source is None:
        return {}
    layers = {column: layer for layer, column in named_embeddings(source).items()}
    tokens = [column.name for column in meaning.features.tokens]
    source_tokens = [column.name for column in source.features.tokens]
    found: dict[str, Words] = {}
    for layer, column in named_embeddings(meaning).items():
        other, reserved, unknown = column, 1, _UNKNOWN_CODE
        if column in tokens:
            reserved, unknown = FIRST_TOKEN, _UNKNOWN_TOKEN
            # the one text of each row, however its column is called
            other = source_tokens[0] if len(tokens) == len(source_tokens) == 1 else column
        if other not in layers:
            continue
        if column in meaning.words and other in source.words:
            here, there = meaning.words[column], source.words[other]
            made = Words(layers[other], here, there, reserved, unknown)
            # a bucket is known by its place among the others, not by its bound
            if made.is_same or not column.endswith("_bucket"):
                found[layer] = made
        elif sizes := _same_size(column, meaning, source):
            found[layer] = Words(layers[other], _numbered(sizes), _numbered(sizes), 0, 0)
    return found


def _numbered(size: int) -> Sequence[str]:
    """Give words for codes that have none: a hash of the same column is the same code."""
    return [str(code) for code in range(size)]


def _same_size(column: str, meaning: Meaning, source: Meaning) -> int:
    """Give the number of codes of a hashed column, if it is the same there; else 0."""
    sizes = dict(zip(meaning.features.categorical, meaning.features.sizes, strict=True))
    others = dict(zip(source.features.categorical, source.features.sizes, strict=True))
    is_hashed = column not in meaning.words and column not in source.words
    return sizes.get(column, 0) if is_hashed and sizes.get(column) == others.get(column) else 0


def has_same_columns(one: Meaning, other: Meaning | None) -> bool:
    """Whether numbers, codes, texts and images lie side by side in the same order in both."""

    def columns(features: FeatureSet) -> tuple[Any, ...]:
        numbers = (features.numeric, features.categorical)
        return (*numbers, len(features.tokens), len(features.images))

    return other is not None and columns(one.features) == columns(other.features)


def has_same_classes(one: Meaning, other: Meaning | None) -> bool:
    """Whether each output stands for the same class."""
    return other is not None and one.features.target.classes == other.features.target.classes
