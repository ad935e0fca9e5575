"""What a person reads on stderr while steps run."""

import sys
import time

from pipelines.step import StepResult


def say(words: str) -> None:
    """Write a line at once."""
    print(words, file=sys.stderr, flush=True)


def describe(result: StepResult) -> str:
    """Give the rows of each source by their fate."""
    parts: list[str] = []
    for source, fates in result.rows.items():
        words = [f"{fates.read:,} read = {fates.kept:,} kept"]
        words += [f"{fates.duplicate:,} duplicate"] if fates.duplicate else []
        words += [f"{n:,} quarantined ({why})" for why, n in fates.quarantined.items()]
        words += [f"{n:,} filtered ({why})" for why, n in fates.filtered.items()]
        parts.append(f"{source}: {' + '.join(words)}")
    return "\n      ".join(parts) or "done"


def describe_checks(result: StepResult) -> str:
    """Give the number of checks that passed; those that did not, and did not stop it, warn."""
    checks = [check for report in result.details["reports"] for check in report["checks"]]
    failed = sum(not check["success"] for check in checks)
    if not failed:
        return f"{len(checks)} checks passed"
    return f"{len(checks) - failed} of {len(checks)} checks passed, {failed} warnings"


def pace(result: StepResult, started: float) -> str:
    """Give the seconds since ``started`` (time.monotonic), or that nothing had to be done."""
    if result.is_reused:
        return "   (done before, not repeated)"
    return f"   {time.monotonic() - started:.1f} s"
