"""Ingest by interval: which rows of the sources a run reads."""

from datetime import UTC, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.errors import ParameterError
from pipelines.sources.parse import REASON
from pipelines.sources.settle import EVENT_TIME, OUTSIDE, WITHDRAWN
from pipelines.step import FATE
from schemas.contract import DatasetSpec, Source
from schemas.interval import Span, begins_interval, say_moment

_START, _END = "--interval-start", "--interval-end"


def parse_span(spec: DatasetSpec, start: str, end: str) -> Span | None:
    """Read the flags of an interval; None if both are empty.

    Times are ISO 8601; one without an offset is in UTC, and a date is its midnight.

    Raises:
        ParameterError: One flag is missing or no time, the end is not after the start, no source
            has intervals, or the times are not on the borders of those that a source declares.
    """
    if not start and not end:
        return None
    if not start or not end:
        raise ParameterError(
            f"{_END if start else _START}: expected both ends of the interval, or none; got "
            f"{start or end!r} alone"
        )
    span = Span(_moment(_START, start), _moment(_END, end))
    if span.start >= span.end:
        raise ParameterError(
            f"{_END}: expected a time after {_START}, since the interval is half-open; got {span}"
        )
    dated = dated_sources(spec)
    if not dated:
        raise ParameterError(
            f"{_START}: no source of {spec.name} has intervals. Leave the flags out, or give a "
            "source time and interval in the contract"
        )
    for source in dated:
        _check_source(spec, source, span)
    return span


def dated_sources(spec: DatasetSpec) -> tuple[Source, ...]:
    """Give the sources that can be written by interval; others are written whole each time."""
    return tuple(source for source in spec.sources if source.interval)


def mark_outside(explained: DataFrame, source: Source, span: Span | None) -> DataFrame:
    """Give rows outside of ``span`` the fate ``filtered:outside_interval``, whatever they had.

    A row whose time can't be told lies in every span: where it is malformed as a whole, or in its
    time. One that only another column makes malformed has its time.

    Args:
        explained: As ``explain_settled`` gives it.
        source: Contract of the source; without an ``interval``, all of its rows stay as they are.
        span: What the run reads; None for all.

    Returns:
        The same rows with the timestamp column ``_event_time``, null where it can't be told.
    """
    if not source.interval:
        return explained.withColumn(EVENT_TIME, F.lit(None).cast("timestamp"))
    rule, time = F.col(f"{REASON}.rule"), F.col(f"`{source.time}`").cast("timestamp")
    of_column = F.contains(rule, F.lit(":")) & ~F.endswith(rule, F.lit(f":{source.time}"))
    is_told = F.col(REASON).isNull() | (rule == WITHDRAWN) | of_column
    dated = explained.withColumn(EVENT_TIME, F.when(is_told, time))
    if span is None:
        return dated
    moment = F.col(EVENT_TIME)
    is_outside = (moment < F.lit(span.start)) | (moment >= F.lit(span.end))
    return dated.withColumn(FATE, F.when(is_outside, OUTSIDE).otherwise(F.col(FATE)))


def _check_source(spec: DatasetSpec, source: Source, span: Span) -> None:
    column = next((item for item in source.columns if item.name == source.time), None)
    if column is None or column.type not in ("timestamp", "date") or column.is_nullable:
        raise ParameterError(
            f"{_START}: expected the time of {spec.name}'s source {source.name} to be a timestamp "
            f"or date that is never null, since a row without one lies in no interval; got "
            f"{source.time!r}, {column.type if column else 'no column'}"
            f"{', nullable' if column and column.is_nullable else ''}. Change the contract, or "
            "leave the flags out"
        )
    ends = {_START: span.start, _END: span.end}
    for flag, moment in ends.items():
        if source.interval and not begins_interval(moment, source.interval):
            raise ParameterError(
                f"{flag}: expected the beginning of a {source.interval} in UTC, by which the "
                f"source {source.name} is written; got {say_moment(moment)}"
            )


def _moment(flag: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParameterError(
            f"{flag}: expected a time like 2013-01-01T00:00:00Z; got {text!r}"
        ) from error
