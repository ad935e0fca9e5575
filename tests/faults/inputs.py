"""Bad inputs (B1 ...) and their fate."""

from tests.faults.line import Line

LINES: dict[str, Line] = {
    "B1": Line("text where the contract says int", "set aside: type"),
    "B2": Line("too few fields", "set aside: field_count"),
    "B3": Line("too many fields", "set aside: field_count"),
    "B4": Line("an int beyond 32 bits", "set aside: type"),
    "B5": Line("NaN, Infinity, 1e400", "set aside: not_finite"),
    "B6": Line("30 February, month 13", "set aside: type"),
    "B7": Line(
        "a line end inside quotes",
        "both halves set aside, or read where is_multiline; lines inside a cell: file refused",
    ),
    "B8": Line(
        "an unclosed quote where cells may hold line ends",
        "the file is refused: never closed, badly closed, or closed after rows that it swallowed",
    ),
    "B9": Line("an unclosed quote in a line", "that line is set aside: unbalanced_quote"),
    "B10": Line("columns in another order", "the file is refused, the column named"),
    "B11": Line("a renamed or added column", "the file is refused, each difference named"),
    "B12": Line("a missing column", "the file is refused, the column named"),
    "B13": Line("a column that comes twice", "the file is refused, the column named"),
    "B14": Line("no header", "the file is refused"),
    "B15": Line("leading zeros", "kept as text, as the contract says; no type is guessed"),
    "B16": Line("mixed types in a column", "set aside: type"),
    "B17": Line("latin-1 bytes", "set aside: encoding"),
    "B18": Line("a UTF-16 file", "the file is refused, with the command that converts it"),
    "B19": Line("a UTF-8 mark in front", "read without it"),
    "B20": Line("NUL and other control bytes", "set aside: control_character"),
    "B21": Line("lines that end in CR alone", "read, and counted by another reader"),
    "B22": Line("an empty file, a header only, blank lines only", "the file is refused"),
    "B23": Line(
        "semicolons, decimal commas",
        "the file is refused by its header, or by its share of malformed rows",
    ),
    "B24": Line(
        '"", nothing, and the word NULL', "null is what the contract lists, and nothing else"
    ),
    "B25": Line("numbers with blanks around", "read without them; text keeps its blanks"),
    "B26": Line(
        "a blank line; delimiters only", "counted as filtered: blank; set aside: null of the key"
    ),
    "B27": Line(
        "a cell beyond 1 MiB",
        "set aside: too_long; in a source of several lines the file is refused",
    ),
    "B28": Line(
        "30,000 fields in a line",
        "set aside: field_count; in a source of several lines the file is refused",
    ),
    "B29": Line("a gzip that was cut", "the file is refused, whatever the session allows"),
    "B30": Line(
        "text named .gz, Parquet or zip named .csv", "the file is refused, its first bytes named"
    ),
    "B31": Line("a gzip bomb", "the file is refused at 100 times its size"),
    "B32": Line(
        "zip slip, links and several files in a zip; pipes and devices",
        "refused, nothing left on the disk",
    ),
    "B33": Line("file names that Spark skips", "refused by name"),
    "B34": Line("a pattern that matches nothing", "refused by name"),
    "B35": Line(
        "the same bytes twice; two files of one name; a file sent again, changed",
        "read once and said; refused; a new version of the table",
    ),
    "B36": Line("the same row twice", "one kept, the others counted as duplicates"),
    "B37": Line(
        "two contents for one version of a key", "one kept, the others set aside: conflict"
    ),
    "B38": Line("rows that come late", "their version decides, not their arrival"),
    "B39": Line(
        "dates out of bounds, 9999-12-31",
        "set aside: out_of_range where the contract bounds them, else kept exactly",
    ),
    "B40": Line(
        "times without an offset, in the gap or fold of a summer time", "set aside: timezone"
    ),
    "B41": Line(
        "JSON with a key twice, a float for an int, NaN",
        "refused, the line named (rows that come back mended; sources are CSV)",
    ),
    "B42": Line("formulas and HTML in text", "kept as they are, escaped in every page"),
    "B43": Line(
        "a category that training never saw; a constant column; one without values",
        "code 0; scaled to 0; refused",
    ),
    "B44": Line("a column that knows the label", "the contract is refused"),
    "B45": Line("integers beyond 2^53, decimals", "kept exactly as long; the contract is refused"),
    "B46": Line(
        "null, list, struct, map, unsigned or decimal in a training table",
        "refused before the first row, the column named",
    ),
    "B47": Line("fewer rows than ranks, a split without rows", "refused before the first step"),
}
