"""How columns are filled, joined, aggregated over the past and turned into model inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from schemas.image import ImageShape
from schemas.near import TokensBy
from schemas.target import BINARY, Target

ImputeMethod: TypeAlias = Literal[
    "mean", "median", "mode", "constant", "group_median", "interpolate", "forward_fill"
]


@dataclass(frozen=True, slots=True)
class Impute:
    """Fill the nulls of one column.

    ``mean``, ``median``, ``mode`` and ``group_median`` (median per ``by``, then over all) are
    fitted on the training split. ``interpolate`` (linear) and ``forward_fill`` run along
    the source's time within ``by``. Interpolation looks at the next value, so only a source whose
    later rows are known at prediction may ask for it. What stays null after a method along time
    gets ``value``. ``has_indicator`` adds ``<column>_was_missing`` (0 or 1).
    ``source`` is empty for the main source and for joined or rolling columns.
    """

    column: str
    method: ImputeMethod
    source: str = ""
    value: float | str | None = None
    by: tuple[str, ...] = ()
    has_indicator: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """Look columns up in another source: left join, at most one match per row.

    ``on`` pairs (column here, column there); ``columns`` pairs (column there, name here).
    With ``as_of`` = (time here, time there) the match is the latest row there that is strictly
    earlier and at most ``tolerance_s`` seconds old.
    """

    source: str
    on: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    as_of: tuple[str, str] | None = None
    tolerance_s: int = 0


@dataclass(frozen=True, slots=True)
class Rolling:
    """Aggregate ``value`` over other rows of the same ``by`` whose event lies in the recent past.

    A row's window is the half-open [as_of - window_s, as_of) on ``event_time``, the moment when
    ``value`` became known. The row itself never counts. Without events: ``count`` and ``sum`` are
    0, ``mean`` is null.
    """

    name: str
    aggregate: Literal["mean", "sum", "count"]
    value: str
    by: tuple[str, ...]
    event_time: str
    as_of: str
    window_s: int


@dataclass(frozen=True, slots=True)
class Numeric:
    """A float32 input: ``standard`` (x - mean) / std, ``minmax`` to [0, 1], or ``none``.

    ``is_log`` takes sign(x) log(1 + |x|) first. Scaled values are clipped to ``clip`` standard
    deviations so that one broken sensor can't rule a batch.
    """

    column: str
    scale: Literal["standard", "minmax", "none"] = "standard"
    is_log: bool = False
    clip: float = 10.0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """An int32 input: 0 for out of vocabulary or null, then values by falling training count.

    Values seen fewer than ``min_count`` times, or beyond ``max_size``, are out of vocabulary.
    """

    column: str
    max_size: int = 10_000
    min_count: int = 1


@dataclass(frozen=True, slots=True)
class Hashed:
    """An int32 input in [0, buckets): a hash of one column, or of several (a cross)."""

    columns: tuple[str, ...]
    buckets: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Bucketed:
    """An int32 input: the number of boundaries at or below x; quantiles of the training split.

    Give ``boundaries``, or ``num_quantiles`` to fit them.
    """

    column: str
    boundaries: tuple[float, ...] = ()
    num_quantiles: int = 0


@dataclass(frozen=True, slots=True)
class Cyclic:
    """Two float32 inputs: sine and cosine of 2 pi x / period."""

    column: str
    period: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """A list of int32: the codes of a text's first ``max_length`` tokens, in their order.

    The text is cleaned first: HTML tags and entities, Unicode's form NFKC, lower case. ``by``
    ``word`` takes runs of letters and digits, apostrophes inside them included, and each character
    of a script without blanks between its words (Chinese, Japanese) by itself; by ``character``
    every letter and digit is a token.

    Code 0 is for padding, 1 for a token out of vocabulary, then tokens by falling number of
    training texts. Those in fewer than ``min_count`` texts, or beyond ``max_size``, are out of
    vocabulary.
    """

    column: str
    max_length: int
    max_size: int = 20_000
    min_count: int = 2
    by: TokensBy = "word"


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG file: the image of a column, of ``shape``'s size, as (height, width, channels) bytes.

    Mean and deviation of each channel over the training split go into the network.
    """

    column: str
    shape: ImageShape


Encode: TypeAlias = Numeric | Vocabulary | Hashed | Bucketed | Cyclic | Tokens | Picture
# below it: padding, and any token out of vocabulary
FIRST_TOKEN = 2
FeatureKind: TypeAlias = Literal["numeric", "categorical", "tokens", "image"]


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One column of the features table.

    By its kind: ``numeric`` float32, ``categorical`` int32 codes in [0, size), ``tokens`` lists of
    at most ``length`` such codes, ``image`` files of ``shape`` (height, width, channels), whose
    channels have ``means`` and ``deviations``, in levels of 0 to 255.
    """

    name: str
    kind: FeatureKind
    size: int = 0
    length: int = 0
    shape: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The columns that a model takes, in its order, the label's name and what to give for it.

    A model takes ``numeric`` (rows, columns) float32 and ``categorical`` (rows, columns) int32, and
    of each column of ``tokens`` (rows, length) int32 by its name, padded with 0, and (rows,) int32
    lengths by its ``length_name``; of each of ``images`` (rows, height, width, channels) uint8 by
    its name.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    sizes: tuple[int, ...]  # codes of each categorical column lie in [0, size)
    label: str
    target: Target = BINARY
    tokens: tuple[FeatureColumn, ...] = ()
    images: tuple[FeatureColumn, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Numeric names, then categorical names, then those of lists and of images."""
        others = (*self.tokens, *self.images)
        return [*self.numeric, *self.categorical, *(column.name for column in others)]


def length_name(column: str) -> str:
    """Name of the input that holds how many items each row's list has."""
    return f"{column}_length"


def select_features(
    columns: Sequence[FeatureColumn], label: str, target: Target = BINARY
) -> FeatureSet:
    """Give the features of a table as a model takes them."""
    codes = [column for column in columns if column.kind == "categorical"]
    return FeatureSet(
        tuple(column.name for column in columns if column.kind == "numeric"),
        tuple(column.name for column in codes),
        tuple(column.size for column in codes),
        label,
        target,
        tuple(column for column in columns if column.kind == "tokens"),
        tuple(column for column in columns if column.kind == "image"),
    )
