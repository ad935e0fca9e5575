"""What goes from DAG to DAG: assets by name, and the results that an event of theirs carries.

A name says which data set, never where it is: an asset whose address changes with the installation
would become inactive. Who is started by an event takes the pinned versions that stand in it.
"""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

Result = dict[str, Any]
_GROUP = "delta"


def features(dataset: str) -> Asset:
    """The features table, announced once its checks have passed."""
    return Asset(f"features_{dataset}", group=_GROUP)


def model(dataset: str) -> Asset:
    """The registered model, announced with each registration."""
    return Asset(f"model_{dataset}", group="registry")


def predictions(dataset: str) -> Asset:
    """The table of scored rows."""
    return Asset(f"predictions_{dataset}", group=_GROUP)


def slim(result: Result) -> Result:
    """Give of a job's line what later tasks take: tables, files and the name of its record."""
    names = ("step", "dataset", "fingerprint", "tables", "files")
    return {name: result[name] for name in names if name in result}


def event(results: Mapping[str, Result], last: str) -> Result:
    """Give what an asset's event carries.

    Args:
        results: Lines of all jobs so far, by task.
        last: Task whose table, if it wrote one, is announced.

    Returns:
        ``table``, its Delta ``version``, ``rows`` by fate of each task, the ``quality`` verdict,
        ``details`` of a registration, and the ``results`` that the next DAG goes on from.
    """
    made = results[last]
    table = next(iter(made.get("tables", ())), "")
    said: Result = {
        "table": table,
        "version": int(table.rpartition("@v")[2]) if table else None,
        "rows": {name: result["rows"] for name, result in results.items() if result.get("rows")},
        "quality": quality(results),
        "results": {name: slim(result) for name, result in results.items()},
    }
    if "is_champion" in made.get("details", {}):
        names = ("name", "version", "is_champion", "reason", "former_champion")
        said["model"] = {name: made["details"].get(name) for name in names}
    return said


def quality(results: Mapping[str, Result]) -> Result:
    """Give the verdict of all checks that these results hold."""
    details = [result.get("details", {}) for result in results.values()]
    reports = [report for item in details for report in item.get("reports", ())]
    checks = [check for report in reports for check in report["checks"]]
    return {
        "success": all(report["success"] for report in reports),
        "checks": len(checks),
        "failed": sum(not check["success"] for check in checks),
    }


def take(context: Mapping[str, Any], announced: tuple[Asset, ...], version: int | None) -> Result:
    """Give the results to go on from.

    A run that events have started takes the last of them; one that a person has started, the
    event that announced ``version``, or the newest if that is None; a dry run, nothing.

    Raises:
        AirflowFailException: Nothing was announced, or not that version.
    """
    if context["params"]["dry_run"]:
        return {}
    events = [item for asset in announced for item in _triggers(context, asset)]
    if not events or version is not None:
        events = list(context["inlet_events"][announced[0]])
    known = [item.extra["version"] for item in events if item.extra.get("results")]
    wanted = [item for item in events if version is None or item.extra.get("version") == version]
    if not known or not wanted:
        asked = "one" if version is None else f"version {version}"
        raise AirflowFailException(
            f"expected {asked} that was announced as {announced[0].name}; found versions "
            f"{sorted({number for number in known if number is not None})}. Run the DAG that makes "
            "it first, or give one of these"
        )
    return max(wanted, key=lambda item: item.timestamp).extra["results"]


def require_model(context: Mapping[str, Any], dataset: str) -> None:
    """Skip what comes after if no model was announced yet: its registration will start it again."""
    if not list(context["inlet_events"][model(dataset)]):
        raise AirflowSkipException(
            f"no model of {dataset} was announced yet; train_{dataset} will start this again"
        )


def _triggers(context: Mapping[str, Any], asset: Asset) -> list[Any]:
    events = context["triggering_asset_events"]
    return list(events[asset]) if asset in events else []
