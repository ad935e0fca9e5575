"""Values of personal columns stay in the tables: counts and shares may be shown, values not."""

from typing import Any

from great_expectations.core import ExpectationValidationResult

from schemas.contract import Check
from schemas.derive import words

MASK = "***"
_MAX_MESSAGE = 500
# of a result, what says how many and never which
_COUNTS = (
    "element_count",
    "missing_count",
    "missing_percent",
    "unexpected_count",
    "unexpected_percent",
    "unexpected_percent_nonmissing",
    "unexpected_percent_total",
)
# rules whose result is a value of one row, or whatever an expectation gives
_GIVES_A_VALUE = ("fresh", "quantile", "expectation")


def is_shown(check: Check, personal: frozenset[str]) -> bool:
    """Say whether all that a check finds may be shown; samples are masked apart, see samples."""
    if check.rule not in _GIVES_A_VALUE:
        return True
    named = words(" ".join([*check.columns, *(str(value) for _, value in check.arguments)]))
    return not _lower(personal) & named


def masked_result(result: ExpectationValidationResult) -> ExpectationValidationResult:
    """Give a result of Great Expectations with its counts and verdict, and no value."""
    found: dict[str, Any] = result.result or {}
    kept = {name: found[name] for name in _COUNTS if name in found}
    samples = found.get("partial_unexpected_list")
    if samples:
        kept["partial_unexpected_list"] = [MASK] * len(samples)
    if "observed_value" in found:
        kept["observed_value"] = MASK
    info: Any = result.exception_info
    if info and str(info.get("exception_message", "x")) not in ("", "None"):
        info = {
            "raised_exception": bool(info.get("raised_exception", True)),
            "exception_message": f"{MASK} (the message may quote a personal column)",
            "exception_traceback": "",
        }
    return ExpectationValidationResult(
        success=bool(result.success),
        expectation_config=result.expectation_config,
        result=kept,
        exception_info=info,
        meta=result.meta,
    )


def masked_error(name: str, error: Exception, personal: frozenset[str]) -> str:
    """Say what stood in the way of the number ``name``, unless that may quote a person."""
    if _lower(personal) & words(name):
        return f"{MASK} (the message may quote a personal column)"
    return f"{type(error).__name__}: {str(error)[:_MAX_MESSAGE]}"


def _lower(names: frozenset[str]) -> set[str]:
    return {name.lower() for name in names}
