from dataclasses import replace

import pytest

from pipelines.registry.rule import Standing, comparison_basis, decide
from schemas.contract import Column, Derived, HashSplit, Label, TimeSplit
from tests.pipelines.tiny import SPEC

CHAMPION = Standing(version=1, value=0.70, basis="a", features="f@v1")
CANDIDATE = Standing(version=2, value=0.71, basis="a", features="f@v1")


@pytest.mark.parametrize(
    ("candidate", "minimum_gain", "is_champion", "reason"),
    [
        (CANDIDATE, 0.0, True, "0.7100 against 0.7000 of version 1: a gain of +0.0100"),
        (CANDIDATE, 0.02, False, "a gain of +0.0100, not more than 0.02"),
        (replace(CANDIDATE, value=0.70), 0.0, False, "not more than 0"),
        (replace(CANDIDATE, value=0.69), 0.0, False, "a gain of -0.0100"),
        (replace(CANDIDATE, basis="b"), 0.0, False, "another label or split"),
        (replace(CANDIDATE, features="f@v2"), 0.0, True, "other versions of the table: f@v1"),
        (CHAMPION, 0.0, True, "version 1 is the champion already"),
    ],
)
def test_a_candidate_is_champion_only_if_it_is_better(
    candidate: Standing, minimum_gain: float, *, is_champion: bool, reason: str
) -> None:
    found = decide(candidate, CHAMPION, minimum_gain)
    assert found.is_champion == is_champion
    assert reason in found.reason
    assert f"by more than {minimum_gain:g}" in found.rule


@pytest.mark.parametrize(
    ("value", "is_champion", "reason"),
    [
        (5.1, True, "RMSE 5.1000 against 5.4000 of version 1: a gain of +0.3000"),
        (5.3, False, "a gain of +0.1000, not more than 0.2"),
        (6.0, False, "a gain of -0.6000"),
    ],
)
def test_of_an_error_the_smaller_is_the_better(
    value: float, *, is_champion: bool, reason: str
) -> None:
    champion = Standing(1, 5.4, "a", "f@v1", "RMSE", is_lower_better=True)
    found = decide(replace(champion, version=2, value=value), champion, 0.2)
    assert found.is_champion == is_champion
    assert reason in found.reason
    assert "RMSE is below the champion's by more than 0.2" in found.rule


def test_classes_and_units_make_another_basis() -> None:
    labels = [
        Label("is_late", "x > 0"),
        Label("is_late", "x > 0", classes=("a", "b")),
        Label("is_late", "x > 0", classes=("b", "a")),
        Label("is_late", "x > 0", is_number=True, unit="s"),
        Label("is_late", "x > 0", is_number=True, unit="min"),
    ]
    assert len({comparison_basis(replace(SPEC, label=label)) for label in labels}) == len(labels)


def test_the_first_version_is_champion() -> None:
    assert decide(CANDIDATE, None, 0.5).is_champion


def test_an_incomparable_champion_is_replaced_only_when_asked() -> None:
    other = replace(CANDIDATE, basis="b", value=0.1)
    assert not decide(other, CHAMPION, 0.0).is_champion
    assert decide(other, CHAMPION, 0.0, is_replacing_incomparable=True).is_champion


def test_label_and_split_make_another_basis_and_features_do_not() -> None:
    basis = comparison_basis(SPEC)
    assert comparison_basis(replace(SPEC, label=Label("is_late", "x > 1"))) != basis
    assert comparison_basis(replace(SPEC, split=HashSplit(("order_id",), salt="b"))) != basis
    years = TimeSplit("x", ("2013", "2014"), ("2014", "2015"), ("2015", "2016"))
    assert comparison_basis(replace(SPEC, split=years)) != basis
    unused = Derived(Column("double_y", "double"), "2 * y")
    assert comparison_basis(replace(SPEC, title="Else", derived=(unused,))) == basis


def test_a_derived_column_behind_the_label_counts_however_far_behind() -> None:
    def spec(sql: str) -> str:
        chain = (
            Derived(Column("near", "double"), "far + 1"),
            Derived(Column("far", "double"), sql),
        )
        return comparison_basis(replace(SPEC, label=Label("is_late", "near > 0"), derived=chain))

    assert spec("x") == spec("x")
    assert spec("x") != spec("y")
