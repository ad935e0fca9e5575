from dataclasses import replace
from typing import Any

import numpy as np

from pipelines.evaluation.arrays import Arrays
from pipelines.explanation.groups import group_features, join_by_origin, rows_predictor, to_matrix
from schemas.catalog import dataset
from schemas.encode import FeatureSet, select_features
from schemas.feature_columns import feature_columns
from tests.pipelines import tiny
from tests.pipelines.explanation.networks import TEXTS, texts


def test_what_was_made_of_one_column_is_one_group() -> None:
    spec = dataset("flights")
    features = select_features(feature_columns(spec.encodes), "is_late")
    groups = {group.name: group.features for group in group_features(spec, features)}
    assert groups["aircraft_20h_arr_delay"] == (
        "aircraft_20h_arr_delay_log",
        "aircraft_20h_arr_delay_num",
        "aircraft_20h_arr_delay_was_missing_num",
    )
    assert groups["minute_of_day"] == (
        "minute_of_day_num",
        "minute_of_day_sin",
        "minute_of_day_cos",
    )
    assert groups["day_of_week"] == ("day_of_week_sin", "day_of_week_cos", "day_of_week_code")
    assert groups["scheduled_duration"] == ("scheduled_duration_num", "scheduled_duration_bucket")
    assert groups["tailnum"] == ("tailnum_was_missing_num", "tailnum_hash")
    # a cross is none of its columns
    assert groups["carrier and route"] == ("carrier_route",)
    assert groups["carrier"] == ("carrier_code",)
    each = [name for some in groups.values() for name in some]
    assert sorted(each) == sorted(features.columns)


def test_columns_are_joined_by_where_they_come_from() -> None:
    spec = dataset("flights")
    features = select_features(feature_columns(spec.encodes), "is_late")
    groups = group_features(spec, features)
    origins = {item.name: item for item in join_by_origin(spec, groups)}
    assert [*origins] == [
        "joined from weather (9)",
        "of flights itself (13)",
        "joined from planes (5)",
        "joined from airports (3)",
        "rolling aggregates (21)",
    ]
    assert "wind_gust" in origins["joined from weather (9)"].features
    assert "carrier and route" in origins["of flights itself (13)"].features
    places = [place for item in origins.values() for place in item.places]
    assert sorted(places) == list(range(len(features.columns)))


def test_one_origin_tells_nothing() -> None:
    features = FeatureSet(("x_num", "y_num"), (), (), "label")
    assert join_by_origin(tiny.SPEC, group_features(tiny.SPEC, features)) == ()


def test_places_are_those_of_the_matrix() -> None:
    features = FeatureSet(("x_num", "y_num"), ("shop_code",), (3,), "label")
    random = np.random.default_rng(1)
    arrays = Arrays(
        random.normal(size=(5, 2)).astype(np.float32),
        random.integers(0, 3, (5, 1)).astype(np.int32),
        np.zeros(5, np.int32),
    )
    matrix = to_matrix(arrays, features)
    groups = group_features(replace(tiny.SPEC, encodes=()), features)
    assert [(group.name, group.places) for group in groups] == [
        ("x_num", (0,)), ("y_num", (1,)), ("shop_code", (2,)),
    ]  # fmt: skip
    assert np.array_equal(matrix[:, 2], arrays.categorical[:, 0])
    seen: list[Arrays] = []

    def predict(rows: Arrays) -> Any:
        seen.append(rows)
        return rows.numeric[:, 0].astype(np.float64)

    rows_predictor(predict, arrays, features)(matrix[[3, 0]])
    assert np.array_equal(seen[0].numeric, arrays.numeric[[3, 0]])
    assert np.array_equal(seen[0].categorical, arrays.categorical[[3, 0]])
    assert seen[0].categorical.dtype == np.int32


def test_a_text_goes_along_by_its_row() -> None:
    arrays = texts(4, 1)
    matrix = to_matrix(arrays, TEXTS)
    assert matrix.tolist() == [[0], [1], [2], [3]]
    seen: list[Arrays] = []

    def predict(rows: Arrays) -> Any:
        seen.append(rows)
        return np.zeros(len(rows))

    rows_predictor(predict, arrays, TEXTS)(matrix[[2, 2, 1]])
    for name in ("text_tokens", "text_tokens_length"):
        assert np.array_equal(seen[0].others[name], arrays.others[name][[2, 2, 1]])
