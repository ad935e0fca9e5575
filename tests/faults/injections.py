"""Faults (F1 ...) that are injected while the pipeline works."""

from tests.faults.line import Line

LINES: dict[str, Line] = {
    "F5": Line("two processes append to one table", "each acknowledged row is there once"),
    "F6": Line("two processes MERGE one key", "no update is lost; the second is told"),
    "F7": Line("a session with Delta's own log store", "it is refused before it writes"),
    "F8": Line("OPTIMIZE during an append", "both commit, no row changes"),
    "F10": Line("a write is replayed with other rows", "they are written, none is skipped"),
    "F11": Line("RESTORE, then the step again", "its rows are there again"),
    "F36": Line("what is not synced is lost", "data, commit and folder are synced before the ack"),
}
