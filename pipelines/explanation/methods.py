"""The methods by name; a module that imports nothing heavy, for flags."""

from collections.abc import Sequence

from pipelines.errors import ParameterError
from schemas.contract import DatasetSpec
from schemas.encode import Picture, Tokens

METHODS = ("permutation", "shap", "lime", "gradients")
NONE = "none"


def check_methods(flag: str, methods: Sequence[str], spec: DatasetSpec) -> None:
    """Raise ``ParameterError`` unless ``methods`` are some of those, or ``none`` alone.

    Gradients are of texts and images: the contract must encode one.
    """
    if unknown := [name for name in methods if name not in (*METHODS, NONE)]:
        raise ParameterError(f"{flag}: expected some of {[*METHODS]}, or {NONE}; got {unknown}")
    if NONE in methods and len(methods) > 1:
        raise ParameterError(f"{flag}: {NONE} goes with no other; got {[*methods]}")
    is_deep = any(isinstance(item, Tokens | Picture) for item in spec.encodes)
    if "gradients" in methods and not is_deep:
        raise ParameterError(
            f"{flag} gradients: expected texts or images among the features; {spec.name} has "
            "numbers and codes only. Take permutation, shap or lime"
        )
