"""Loop detectors on the freeways of Los Angeles: how fast is the traffic 15 minutes from now?

Data: the week from 1 to 7 March 2012 of the detectors of Jagadish et al. (Communications of the ACM
2014), as Zhao et al. published it with "T-GCN: A Temporal Graph Convolutional Network for Traffic
Prediction", IEEE T-ITS 2020. A file of 207 columns, one for each detector, and a line for each five
minutes, in order and without a time: the first line is taken for the first minutes of 1 March, in
local time called UTC.

A reading of 0 is none. What is missing is filled from readings up to the moment of prediction only:
on the line between the known ones before and after it, or as the last known one where none has come
since. The split is by time, the last fifth to test as in the paper, with gaps of an hour, so that
no label of one split is read in the next one's time.
"""

from dataclasses import replace

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    Derived,
    Label,
    PublicFile,
    Source,
    TimeSplit,
    Unpivot,
)
from schemas.encode import Cyclic, Encode, Impute, Numeric, Vocabulary

_STEP_S = 300
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_BEGIN = "2012-03-01 00:00:00"
_NUM_LAGS = 12  # an hour, as in the paper
_SENSORS = (
    773869, 767541, 767542, 717447, 717446, 717445, 773062, 767620, 737529, 717816, 765604,
    767471, 716339, 773906, 765273, 716331, 771667, 716337, 769953, 769402, 769403, 769819,
    769405, 716941, 717578, 716960, 717804, 767572, 767573, 773012, 773013, 764424, 769388,
    716328, 717819, 769941, 760987, 718204, 718045, 769418, 768066, 772140, 773927, 760024,
    774012, 774011, 767609, 769359, 760650, 716956, 769831, 761604, 717495, 716554, 773953,
    767470, 716955, 764949, 773954, 767366, 769444, 773939, 774067, 769443, 767750, 767751,
    767610, 773880, 764766, 717497, 717490, 717491, 717492, 717493, 765176, 717498, 717499,
    765171, 718064, 718066, 765164, 769431, 769430, 717610, 767053, 767621, 772596, 772597,
    767350, 767351, 716571, 773023, 767585, 773024, 717483, 718379, 717481, 717480, 717486,
    764120, 772151, 718371, 717489, 717488, 717818, 718076, 718072, 767455, 767454, 761599,
    717099, 773916, 716968, 769467, 717576, 717573, 717572, 717571, 717570, 764760, 718089,
    769847, 717608, 767523, 716942, 718090, 769867, 717472, 717473, 759591, 764781, 765099,
    762329, 716953, 716951, 767509, 765182, 769358, 772513, 716958, 718496, 769346, 773904,
    718499, 764853, 761003, 717502, 759602, 717504, 763995, 717508, 765265, 773996, 773995,
    717469, 717468, 764106, 717465, 764794, 717466, 717461, 717460, 717463, 717462, 769345,
    716943, 772669, 717582, 717583, 717580, 716949, 717587, 772178, 717585, 716939, 768469,
    764101, 767554, 773975, 773974, 717510, 717513, 717825, 767495, 767494, 717821, 717823,
    717458, 717459, 769926, 764858, 717450, 717452, 717453, 759772, 717456, 771673, 772167,
    769372, 774204, 769806, 717590, 717592, 717595, 772168, 718141, 769373,
)  # fmt: skip
_PER_SENSOR = "partition by sensor order by at_s range between"

READINGS = Source(
    name="readings",
    location="fetched:los_loop_15_min/los_speed.csv",
    content_key="line_id",
    primary_key=("line_id",),
    columns=(
        Column("line_id", "string", description="digest of the line and its file's name"),
        *(
            Column(f"s{number}", "double", is_nullable=True, unit="mph", header=str(number))
            for number in _SENSORS
        ),
    ),
    unpivot=Unpivot(
        tuple(f"s{number}" for number in _SENSORS),
        Column("sensor", "string", description="number of the detector"),
        Column("reading", "double", is_nullable=True, unit="mph", description="0: none"),
    ),
    checks=tuple(Check("between", (f"s{number}",), minimum=0, maximum=100) for number in _SENSORS),
)


def _window(begin: str, end: str) -> str:
    return f"over ({_PER_SENSOR} {begin} and {end})"


def _known_before(lag_s: int) -> Derived:
    """The reading so many seconds ago; a missing one from those around it, up to now."""
    before = _window(f"{lag_s + _HOUR_S} preceding", f"{lag_s} preceding")
    after = _window(f"{lag_s} preceding", "current row")
    name = f"speed_{lag_s // 60}_min_ago" if lag_s else "speed_now"
    return Derived(
        Column(name, "double", is_nullable=True, unit="mph"),
        f"""coalesce(
            last(speed, true) {before}
            + (first(speed, true) {after} - last(speed, true) {before})
            * try_divide(
                at_s - {lag_s} - max(known_at_s) {before},
                min(known_at_s) {after} - max(known_at_s) {before}
            ),
            last(speed, true) {before},
            first(speed, true) {after})""",
    )


_LAGS = tuple(_known_before(number * _STEP_S) for number in range(_NUM_LAGS))


def _derived(horizon_s: int) -> tuple[Derived, ...]:
    ago = _DAY_S - horizon_s
    return (
        Derived(
            Column("at", "timestamp", description="local time, called UTC"),
            # the header is line 1
            f"timestampadd(second, int(_source_position - 2) * {_STEP_S}, timestamp'{_BEGIN}')",
        ),
        Derived(Column("at_s", "long", unit="s"), "unix_timestamp(at)"),
        Derived(
            Column("speed", "double", is_nullable=True, unit="mph"),
            "case when reading > 0 then reading end",
        ),
        Derived(
            Column("known_at_s", "long", is_nullable=True, unit="s"),
            "case when speed is not null then at_s end",
        ),
        *_LAGS,
        Derived(
            Column("speed_of_all", "double", is_nullable=True, unit="mph",
                   description="mean over all detectors now"),
            "avg(speed) over (partition by at_s)",
        ),
        Derived(
            Column("speed_a_day_before", "double", is_nullable=True, unit="mph",
                   description="a day before the moment that is asked for, or in the hour before"),
            f"last(speed, true) {_window(f'{ago + _HOUR_S} preceding', f'{ago} preceding')}",
        ),
        Derived(
            Column("change", "double", is_nullable=True, unit="mph", description="in 15 minutes"),
            "speed_now - speed_15_min_ago",
        ),
        Derived(
            Column("minute_of_day", "int", unit="min"), "hour(at) * 60 + minute(at)"
        ),
        Derived(Column("is_weekend", "int"), "int(dayofweek(at) in (1, 7))"),
    )  # fmt: skip


_FILLED = (*(item.column.name for item in _LAGS), "speed_a_day_before", "change")

ENCODES: tuple[Encode, ...] = (
    *(Numeric(name) for name in (*_FILLED, "speed_of_all")),
    Numeric("is_weekend", scale="none"),
    Numeric("speed_a_day_before_was_missing", scale="none"),
    Cyclic("minute_of_day", 24 * 60),
    Vocabulary("sensor"),
)


def at_horizon(minutes: int) -> DatasetSpec:
    """Give the contract that asks for the reading so many minutes from now."""
    horizon_s = minutes * 60
    later = _window(f"{horizon_s} following", f"{horizon_s} following")
    return DatasetSpec(
        name=f"los_loop_{minutes}_min",
        title="Loop detectors of Los Angeles, a week of March 2012",
        question=f"How fast is the traffic at this detector {minutes} minutes from now?",
        sources=(READINGS,),
        label=Label(
            f"speed_in_{minutes}_min",
            f"first(speed) {later}",
            "the reading itself; none where it is missing",
            is_number=True,
            unit="mph",
            naive="speed_now",
        ),
        split=TimeSplit(
            "at",
            train=("2012-03-01", "2012-03-05T13:20:00"),
            validation=("2012-03-05T14:20:00", "2012-03-06T13:20:00"),
            test=("2012-03-06T14:20:00", "2012-03-08"),
        ),
        prediction_time="at",
        derived=_derived(horizon_s),
        imputes=(
            *(Impute(name, "group_median", by=("sensor",)) for name in _FILLED[:-2]),
            Impute("speed_a_day_before", "group_median", by=("sensor",), has_indicator=True),
            Impute("change", "constant", value=0.0),
            Impute("speed_of_all", "median"),
        ),
        encodes=ENCODES,
    )


SPEC = replace(
    at_horizon(15),
    files=(
        PublicFile(
            "los_speed.csv",
            "7b732d86ae32b2930595becba28aff39dacbfb2197e250fc0332e1744ce2cbf4",
            3_402_125,
        ),
    ),
    origin="https://raw.githubusercontent.com/lehaifeng/T-GCN/master/data",
)
