"""Parse rows that are bytes: what a file or a record holds, or why it can't be a row."""

from pyspark.sql import Column as Expression
from pyspark.sql import functions as F

from pipelines.sources.contents import CONTENTS, FAULT, FAULT_SAID, NUM_BYTES
from pipelines.sources.text import CELLS, RAW
from schemas.contract import Column, Source

_CONTROL = r"[\x00-\x1F\x7F]"
_REPLACEMENT = "\ufffd"
_QUARANTINED = "quarantined:"


def typed_content(place: int, column: Column) -> Expression:
    """Give the bytes of one content column, as text where the contract says string."""
    content = F.get(F.col(CONTENTS), F.lit(place))
    if column.type == "binary":
        return content
    text = content.cast("string")
    # an editor's mark of UTF-8 is none of the text
    return F.when(F.is_valid_utf8(text), F.regexp_replace(text, "^\ufeff", ""))


def bytes_reason(source: Source) -> Expression:
    """Give why a row as a whole can't be one; null if it can."""
    path, size = F.col(RAW), F.col(NUM_BYTES)
    fault = F.when(F.col(FAULT).isNotNull(), F.concat(F.lit(_QUARANTINED), FAULT))
    if source.format == "records":
        is_short = F.col(CELLS).isNull()
        return F.when(is_short, _QUARANTINED + "record_length").otherwise(fault)
    is_odd = F.rlike(path, F.lit(_CONTROL)) | F.contains(path, F.lit(_REPLACEMENT))
    reason = F.when(is_odd, _QUARANTINED + "path").when(
        F.col(CELLS).isNull(), _QUARANTINED + "path"
    )
    reason = reason.when(size > source.max_file_bytes, _QUARANTINED + "too_large")
    reason = reason.when(size == 0, _QUARANTINED + "empty_file")
    for place, column in enumerate(source.content_columns):
        if column.type == "string":
            is_wrong = typed_content(place, column).isNull()
            reason = reason.when(is_wrong, f"{_QUARANTINED}encoding:{column.name}")
    return reason.otherwise(fault)


def bytes_details(source: Source) -> dict[str, Expression]:
    """Give what was expected and what came, by the kind of reason."""
    size = F.format_string("%,d", F.col(NUM_BYTES))
    pattern = source.path_pattern or "any path"
    images = ("bytes", "no_image", "too_many_pixels", "channels", "dimensions", "damaged")
    return dict.fromkeys(images, F.col(FAULT_SAID)) | {
        "path": F.lit(f"expected a path of the form {pattern}, in UTF-8"),
        "too_large": F.concat(
            F.lit(f"expected at most {source.max_file_bytes:,} bytes; got "), size
        ),
        "empty_file": F.lit("expected content; the file has 0 bytes"),
        "record_length": F.concat(
            F.lit(f"expected {sum(source.record_bytes):,} bytes; the file ends after "), size
        ),
    }
