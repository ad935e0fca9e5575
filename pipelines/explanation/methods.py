"""The methods by name; a module that imports nothing heavy, for flags."""

from collections.abc import Sequence

from pipelines.errors import ParameterError

METHODS = ("permutation", "shap", "lime", "gradients")
NONE = "none"


def check_methods(flag: str, methods: Sequence[str]) -> None:
    """Raise ``ParameterError`` unless ``methods`` are some of those, or ``none`` alone."""
    if unknown := [name for name in methods if name not in (*METHODS, NONE)]:
        raise ParameterError(f"{flag}: expected some of {[*METHODS]}, or {NONE}; got {unknown}")
    if NONE in methods and len(methods) > 1:
        raise ParameterError(f"{flag}: {NONE} goes with no other; got {[*methods]}")
