"""Spark's pages and its log of events show rows: off, or kept from others."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pyspark import SparkConf, SparkContext

from pipelines.errors import GristmillError

_UI, _UI_FILTERS, _ACLS = "spark.ui.enabled", "spark.ui.filters", "spark.acls.enable"
_EVENTS, _EVENTS_DIR = "spark.eventLog.enabled", "spark.eventLog.dir"


def given_settings() -> dict[str, str]:
    """Give what spark-defaults.conf and spark-submit say, before a session starts."""
    # starts Java as getOrCreate would; only then are the settings of files and flags known
    SparkContext._ensure_initialized()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return dict(SparkConf().getAll())


def private_settings(given: Mapping[str, str]) -> dict[str, str]:
    """Give the settings that keep Spark's pages and its log of events from others.

    Both show plans, and so values of rows. Spark serves its pages without asking who comes, and has
    them on by default.

    Args:
        given: What spark-defaults.conf and spark-submit say.

    Raises:
        GristmillError: The pages are asked for without a filter that authenticates, or the log of
            events goes to a folder that others can enter.
    """
    if given.get(_UI) == "true" and not (given.get(_UI_FILTERS) and given.get(_ACLS) == "true"):
        raise GristmillError(
            f"expected {_UI} false, or {_UI_FILTERS} with a filter that authenticates and {_ACLS} "
            "true: Spark's pages show rows, and ask nobody for a name. Correct spark-defaults.conf"
        )
    place = urlsplit(given.get(_EVENTS_DIR, "file:/tmp/spark-events"))  # Spark's default
    folder = Path(place.path)
    is_here = place.scheme in ("", "file") and folder.is_dir()
    is_open = is_here and folder.stat().st_mode & 0o077
    if given.get(_EVENTS) == "true" and is_open:
        raise GristmillError(
            f"expected {_EVENTS} false, or {_EVENTS_DIR} a folder that only its owner can enter; "
            f"got {folder}: events hold values of rows. chmod 700 it, or take the setting out"
        )
    return {key: given.get(key, "false") for key in (_UI, _EVENTS)}
