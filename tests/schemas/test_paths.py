"""Patterns of paths."""

import re

import pytest

from schemas.paths import bad_pattern, path_regex


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{split}/{label}/{name}.jpg", "train/cat/1.jpg", ("train", "cat", "1")),
        ("{split}/{label}/{name}.jpg", "a/train/cat/1.jpg", None),
        ("**/{label}/*.jpg", "a/train/cat/1.jpg", ("cat",)),
        ("**/{label}/*.jpg", "cat/1.jpg", ("cat",)),
        ("**/{label}/*.jpg", "cat/1xjpg", None),
        ("{id}_{rating}.txt", "a_9_10.txt", ("a_9", "10")),
        ("", "any/thing", ()),
    ],
)
def test_a_path_is_cut_into_fields(
    pattern: str, path: str, expected: tuple[str, ...] | None
) -> None:
    found = re.search(path_regex(pattern)[0], path)
    assert (found.groups() if found else None) == expected


@pytest.mark.parametrize("pattern", ["{a}/{a}.jpg", "{}/x", "{a b}", "a}/x", "{a"])
def test_a_pattern_that_can_not_be_meant_is_refused(pattern: str) -> None:
    assert bad_pattern(pattern)
