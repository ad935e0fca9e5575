"""Whether Airflow's components run and are healthy, and what one that has ended said last."""

import json
import time
import urllib.request
from pathlib import Path

from processes import COMMANDS, Component, log_of
from settings import Settings

# what the health page calls each
_HEALTH = {
    "api-server": "metadatabase",
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}
_POLL_S = 0.5


class ServiceError(Exception):
    """A component has ended, or doesn't get ready; the text says which, and where its log is."""


def wait_for_answer(settings: Settings, components: list[Component], wait_s: float) -> None:
    """Wait until the API server answers.

    Raises:
        ServiceError: A component has ended, or nothing answers after ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    while not health(settings):
        require_all(settings.home, components)
        if time.monotonic() > deadline:
            log = log_of(settings.home, "api-server")
            raise ServiceError(f"the API server doesn't answer after {wait_s:.0f} s; see {log}")
        time.sleep(_POLL_S)


def wait_until_healthy(settings: Settings, components: list[Component], wait_s: float) -> None:
    """Wait until each of them says that it is.

    Raises:
        ServiceError: One has ended, or isn't healthy after ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    while True:
        require_all(settings.home, components)
        seen = health(settings)
        missing = sorted(name for name in COMMANDS if seen.get(name) != "healthy")
        if not missing:
            return
        if time.monotonic() > deadline:
            log = log_of(settings.home, missing[0])
            raise ServiceError(f"not healthy after {wait_s:.0f} s: {', '.join(missing)}; see {log}")
        time.sleep(_POLL_S)


def require_all(home: Path, components: list[Component]) -> None:
    """Raise ``ServiceError`` if one of them has ended."""
    for item in components:
        if not item.process():
            log = log_of(home, item.name)
            raise ServiceError(f"{item.name} has ended: {last_line(log)} (more in {log})")


def health(settings: Settings) -> dict[str, str]:
    """Give what the API server says of each; empty while it doesn't answer."""
    try:
        page = f"{settings.url}/api/v2/monitor/health"
        with urllib.request.urlopen(page, timeout=30) as answer:  # noqa: S310  http on loopback
            found = json.load(answer)
    except (OSError, ValueError):
        return {}
    return {name: found[key]["status"] or "unknown" for name, key in _HEALTH.items()}


def last_line(log: Path) -> str:
    """Give the last line of a log that says anything."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it said nothing")
