"""What a label may be, and that one of 0 or 1 is what it was before there were others."""

from dataclasses import replace

import pytest

from schemas.catalog import dataset
from schemas.contract import ContractError, Label
from schemas.derive import main_columns, table_spec
from schemas.leakage import check_contract
from schemas.target import Target, bad_target, target_of
from tests.pipelines import tiny

FLIGHTS = dataset("flights")
CARRIER = Label("by", "carrier", classes=("UA", "AA", "DL"))
DELAY = Label("delay", "double(arr_delay)", is_number=True, unit="min")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (Label("x", "y", classes=("a",)), "two classes or more"),
        (Label("x", "y", classes=("a", "")), "with names"),
        (Label("x", "y", classes=("a", "b", "a")), r"classes come twice: \['a'\]"),
        (Label("x", "y", classes=("a", "b"), is_number=True), "classes or is_number; got both"),
        (Label("x", "y", unit="min"), "only a number has a unit"),
    ],
)
def test_a_label_that_can_not_be_meant_is_refused(label: Label, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_contract(replace(FLIGHTS, label=label))


def test_a_label_of_0_or_1_leaves_the_fingerprint_as_it_was() -> None:
    # as it was before there were other labels and wide sources
    assert tiny.SPEC.fingerprint() == "11c9b3b1f01b16f6"
    others = [replace(FLIGHTS, label=label).fingerprint() for label in (CARRIER, DELAY)]
    two = replace(CARRIER, classes=("AA", "UA", "DL"))
    others.append(replace(FLIGHTS, label=two).fingerprint())
    assert len({FLIGHTS.fingerprint(), *others}) == 4


@pytest.mark.parametrize(
    ("label", "types", "width", "num_classes"),
    [
        (FLIGHTS.label, ("int", "int"), 1, 2),
        (CARRIER, ("string", "int"), 3, 3),
        (DELAY, ("double", "float"), 1, 0),
    ],
)
def test_each_kind_has_its_types_and_width(
    label: Label, types: tuple[str, str], width: int, num_classes: int
) -> None:
    spec = replace(FLIGHTS, label=label)
    early = {column.name: column.type for column in main_columns(spec)}
    late = {c.name: c.type for c in table_spec(spec, "features", "flights").columns}
    assert (early[label.name], late[label.name]) == types
    target = target_of(label)
    assert (target.width, target.num_classes) == (width, num_classes)


def test_a_name_that_is_no_class_is_set_aside_by_a_rule_of_its_own() -> None:
    found = {
        label: [
            (check.rule, check.values, check.severity)
            for check in table_spec(replace(FLIGHTS, label=label), "split", "flights").checks
            if label.name in check.columns and check.rule != "columns"
        ]
        for label in (CARRIER, DELAY, FLIGHTS.label)
    }
    assert found[CARRIER] == [("in_set", ("UA", "AA", "DL"), "quarantine")]
    assert found[DELAY] == [("finite", (), "quarantine")]
    assert found[FLIGHTS.label] == []


@pytest.mark.parametrize(
    "target",
    [
        Target("numbers"),  # type: ignore[arg-type]
        Target("classes"),
        Target("binary", ("a", "b")),
        Target("number", deviation=0.0),
        Target("number", mean=float("nan")),
    ],
)
def test_a_target_that_can_not_be_meant_is_told(target: Target) -> None:
    assert bad_target(target)
    assert not bad_target(target_of(CARRIER))
