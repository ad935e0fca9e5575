"""What a group's features say of one row, in the words and units of the contract."""

from pipelines.explanation.case import Case
from pipelines.explanation.groups import Group
from pipelines.reporting.feature_names import MASK

_MISSING = "_was_missing"


def say_value(case: Case, group: Group, place: int) -> str:
    """Give the group's value in a row; ``***`` if it is personal.

    Of several features the one that tells most: that the value was missing, a name, a number, the
    number whose logarithm was taken, then any other.
    """
    if any(case.is_personal(name) for name in group.features):
        return MASK
    said = [_say(case, name, place) for name in group.features]
    order, words = min(said, key=lambda item: item[0])
    if order < _CYCLIC:
        return words
    # sine and cosine mean something together only
    return ", ".join(words for rank, words in said if rank == order)


_ABSENT, _NAMED, _PLAIN, _LOG, _CODE, _CYCLIC = range(6)


def _say(case: Case, feature: str, place: int) -> tuple[int, str]:
    features, arrays, meaning = case.features, case.arrays, case.meanings.get(feature)
    if feature in features.categorical:
        code = str(int(arrays.categorical[place, features.categorical.index(feature)]))
        words = meaning.category(code) if meaning else code
        return (_NAMED if meaning and meaning.codes else _CODE), words
    if feature not in features.numeric:
        return _CODE, "text" if feature in case.words else "image"
    value = float(arrays.numeric[place, features.numeric.index(feature)])
    stem = feature.removesuffix("_num")
    if stem.endswith(_MISSING):
        return (_ABSENT if value > 0 else _CYCLIC + 1), "missing"
    if meaning is None:
        return _PLAIN, f"{value:.4g}"
    if feature.endswith(("_sin", "_cos")) and meaning.width == 1.0:
        return _CYCLIC, f"{feature[-3:]} {value:.2f}"
    said = f"{meaning.number(value)} {meaning.unit}".rstrip()
    return (_LOG if meaning.is_log else _PLAIN), said
