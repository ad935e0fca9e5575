"""Faults (F1 ...) that are injected while the pipeline works."""

from tests.faults.line import Line

LINES: dict[str, Line] = {
    "F1": Line("kill -9 while data files are written", "the old version is readable"),
    "F2": Line("kill -9 at the commit itself", "the whole new version or the old one"),
    "F3": Line("kill -9 after a commit, before the step's record", "done again, counted once"),
    "F4": Line("kill -9 at seeded system calls of every step", "a rerun gives the same tables"),
    "F5": Line("two writers append to one table", "each acknowledged row is there once"),
    "F6": Line("two writers change the same rows", "one wins, the other is told"),
    "F7": Line("a session without our log store", "it is refused"),
    "F8": Line("OPTIMIZE while rows are appended", "both are right"),
    "F9": Line(
        "VACUUM while a training reads",
        "ours leaves its files; forced, one line, the last state kept",
    ),
    "F10": Line("the same said again, or other rows under its name", "once; others are not lost"),
    "F11": Line("RESTORE, then the same steps again", "rows that it took back are made again"),
    "F12": Line("a task fails once", "Spark repeats it"),
    "F13": Line("kill -9 of a Python worker", "its task is repeated, no row lost or doubled"),
    "F14": Line("the driver runs out of memory", "one line says so, the old version stays"),
    "F15": Line(
        "disk full while data files are written", "one line says so, the old version stays"
    ),
    "F16": Line("disk full at the commit", "no half-written commit, the old version stays"),
    "F17": Line(
        "disk full for checkpoint, registry, quarantine, shuffle", "the last good state stays"
    ),
    "F18": Line("one bit of a file flips", "detected before use, or nothing changed"),
    "F19": Line("a file is cut short", "one line names it"),
    "F20": Line("a file of the table is missing", "named before the first step"),
    "F21": Line("kill -9 of a rank", "all ranks end, a restart goes on"),
    "F22": Line("a rank hangs", "it is noticed, all ranks end"),
    "F23": Line("uneven shards", "no rank waits for ever, each row once an epoch"),
    "F24": Line("Petastorm's queue is filled late", "each row once an epoch"),
    "F25": Line("kill -9 while a checkpoint is written", "the former one loads"),
    "F26": Line("kill -9 in the middle of an epoch", "the same rows, the same weights"),
    "F27": Line("NaN in the data or the loss", "training stops, the last good state stays"),
    "F28": Line("checks can't be made or stored", "the gate stays shut"),
    "F29": Line("no rows, or no checks", "the gate stays shut"),
    "F32": Line("the clock goes back an hour, a DST night", "versions decide; each row once"),
    "F33": Line("kill -9 while a champion is crowned", "the old champion or the new one"),
    "F36": Line("a power cut after a commit", "what was acknowledged was synced before"),
}
