"""Security checks (S1 ...)."""

from tests.faults.line import Line

LINES: dict[str, Line] = {
    "S1": Line(
        "a pickle that leaves a marker, in _common_metadata and _metadata of a table",
        "the table is refused, or the file never opened; the pickle does not run",
    ),
    "S2": Line(
        "sources searched, as syntax trees, for calls that run what a stranger wrote",
        "no unpickling, eval, shell, unsafe model or YAML, folder given to Petastorm or disk cache",
    ),
    "S3": Line(
        "the sockets of all processes of a run, of a training and of a Spark session listed",
        "each that listens is bound to loopback",
    ),
    "S5": Line(
        "the lock, lists of requirements, jars and set-up's own commands read",
        "each file that is installed is named with its SHA-256, and held to it",
    ),
    "S6": Line(
        "an old review, a version nobody looked at, an advisory without a guard, nothing installed",
        "the audit fails, and says which",
    ),
    "S7": Line(
        "the bill of materials compared with the lock and with the jars on disk",
        "each distribution and jar is in it, with the digest of its file",
    ),
    "S8": Line(
        "the run-time environment asked for setuptools",
        "none is there, and none below 83 could be",
    ),
    "S9": Line(
        "secrets in the environment and in Spark's settings; a password in an address",
        "0 finds in files, words and command lines; the address is refused, and not repeated",
    ),
    "S10": Line(
        "weights, states, contract, figures or manifest of a registered model changed or lost, its "
        "digest taken from the registry, a candidate changed",
        "refused in one line; the champion stays, and another version scores",
    ),
    "S11": Line(
        "model files with Lambda, TFSMLayer, importable functions, HDF5, members that climb out, "
        "bombs, external and virtual data, links, damage",
        "refused before Keras opens them",
    ),
    "S14": Line(
        "SQL, quotes and backticks in values, names, filters, keys, file names and folders",
        "values come through as they are; names are refused",
    ),
    "S15": Line(
        "a whole run by a user whose umask is 022",
        "every file and folder of it is for its owner only",
    ),
    "S18": Line(
        "Spark's pages and its log of events asked for",
        "off; on only with a filter that authenticates, or a folder of its owner",
    ),
    "S22": Line(
        "checks of personal columns that fail, rows that Spark fails on, rows in quarantine",
        "counts are shown, values are not: in reports, pages, results, logs and errors",
    ),
}
