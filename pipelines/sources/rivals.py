"""Two replays that settle one row at the same time: none of them stays.

On a local disk a lock keeps them apart. On S3 and HDFS each has looked before the other was there,
so each looks again when its record is: what was written before is listed, so one of them at least
sees the other.
"""

from pathlib import Path

from pipelines.errors import ParameterError
from pipelines.sources.replays import Replay, read_replays


def refuse_rivals(folder: Path, mine: Replay) -> None:
    """Take a replay back that was just landed if another one settles a row of it too.

    Args:
        folder: Folder of the source's replays.
        mine: The replay, whose record is there.

    Raises:
        ParameterError: There is another one; names it, and the row.
    """
    places = {row.place for row in mine.rows}
    for other in read_replays(folder):
        shared = places & {row.place for row in other.rows}
        if other.name != mine.name and shared:
            mine.remove()
            name, _, position = min(shared)
            raise ParameterError(
                f"--rows: {name} line {position} was settled by another replay at the same time, "
                f"{other.name}; nothing of this file was landed. Export again: what is open can "
                "be mended"
            )
