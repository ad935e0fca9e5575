"""Tell people of what failed or is late: in the log, in a file, by a web hook, by e-mail.

Which of them is a setting; the address of the hook is a connection, since who knows it may write
there. A notice that can't be sent is said in the log and changes nothing.
"""

import json
import logging
import urllib.request
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf

from airflow_dags import connections, settings

_log = logging.getLogger(__name__)
_TIMEOUT_S = 10


def tell_of_failure(quality_page: str) -> Any:
    """Give the callback of a data set's tasks; the page is a path under the lake."""

    def tell(context: Any) -> None:
        ti = context["ti"]
        said = str(context.get("exception") or "ended from outside, or out of time").strip()
        send(
            {
                "event": "failure",
                "dag": ti.dag_id,
                "task": ti.task_id,
                "run": ti.run_id,
                "attempt": ti.try_number,
                "error": said.splitlines()[0],
                "report": _report(quality_page),
                "log": getattr(ti, "log_url", ""),
            }
        )

    return tell


def tell_of_delay(dag: str, hours: float, quality_page: str, run: str) -> None:
    """Tell that a run has not ended in ``hours`` hours, and where to look at it."""
    pages = conf.get("api", "base_url", fallback="").rstrip("/")
    send(
        {
            "event": "late",
            "dag": dag,
            "run": run,
            "error": f"over {hours:g} hours",
            "report": _report(quality_page),
            "log": f"{pages}/dags/{dag}/runs/{quote(run)}",
        }
    )


def send(notice: dict[str, Any]) -> None:
    """Send a notice everywhere that the settings name."""
    notice = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **notice}
    _log.error("Notice: %s", "; ".join(_lines(notice)))
    for way in (_write, _post, _mail):
        try:
            way(notice)
        except Exception:  # noqa: BLE001  whatever it is, the others are still to be told
            _log.exception("The notice can't be sent by %s", way.__name__.strip("_"))


def _report(quality_page: str) -> str:
    return f"{settings.place('lake')}/{quality_page}"


def _lines(notice: dict[str, Any]) -> list[str]:
    return [f"{name}: {value}" for name, value in notice.items() if value]


def _write(notice: dict[str, Any]) -> None:
    path = Path(settings.place("notices"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(notice) + "\n")


def _post(notice: dict[str, Any]) -> None:
    conn_id = settings.setting("notices_conn")
    if not conn_id:
        return
    address = connections.require(conn_id, "GRISTMILL_NOTICES_CONN").password or ""
    if not address.startswith(("https://", "http://")):
        raise settings.SettingsError(
            f"connection {conn_id}: expected the address of a web hook, such as Slack's, as its "
            "password; got none that begins with https://"
        )
    body = json.dumps({"text": "\n".join(_lines(notice))}).encode()
    request = urllib.request.Request(  # noqa: S310  see above
        address, body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310  see above


def _mail(notice: dict[str, Any]) -> None:
    receivers = settings.setting("notices_email").split()
    if receivers:
        from airflow.utils.email import send_email  # noqa: PLC0415  rarely needed, slow to import

        text = escape("\n".join(_lines(notice)))
        send_email(receivers, f"{notice['dag']}: {notice['event']}", f"<pre>{text}</pre>")
