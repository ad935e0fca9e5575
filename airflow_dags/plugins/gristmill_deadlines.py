"""What happens when a run is late; a plugin, since Airflow's triggerer calls it by its name."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))


async def tell_of_delay(dag: str, hours: float, page: str, context: Any = None) -> None:
    """Tell that a run of ``dag`` has not ended in ``hours`` hours."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415  of the triggerer's environment

    from airflow_dags import notices  # noqa: PLC0415  found by the line above

    run = (context or {}).get("dag_run", {}).get("dag_run_id", "")
    await sync_to_async(notices.tell_of_delay)(dag, hours, page, run)
