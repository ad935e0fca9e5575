"""What steps are made of: spans of a timeline, and a late rank seen by rank 0."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.timeline import read_spans, union_s


def test_spans_nest_by_tensor_and_a_cut_file_is_read(tmp_path: Path) -> None:
    text = """[
{"name": "process_name", "ph": "M", "pid": 1, "args": {"name": "gradients_1of2"}},
{"ph": "B", "name": "NEGOTIATE_ALLREDUCE", "ts": 1000000, "pid": 1},
{"ph": "B", "name": "NEGOTIATE_ALLREDUCE", "ts": 1500000, "pid": 2},
{"ph": "E", "ts": 3000000, "pid": 1},
{"ph": "B", "name": "ALLREDUCE", "ts": 3000000, "pid": 1},
{"ph": "B", "name": "GLOO_ALLREDUCE", "ts": 3200000, "pid": 1},
{"ph": "E", "ts": 4000000, "pid": 1},
{"ph": "E", "ts": 4500000, "pid": 1, "args": {"dtype": "float32"}},"""
    path = tmp_path / "timeline.json"
    path.write_text(text)
    assert read_spans(path) == [
        ("NEGOTIATE_ALLREDUCE", (1.0, 3.0)),
        ("GLOO_ALLREDUCE", (3.2, 4.0)),
        ("ALLREDUCE", (3.0, 4.5)),
    ]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10)), max_size=20))
def test_overlapping_spans_count_once(spans: list[tuple[int, int]]) -> None:
    ticks = {tick for begin, length in spans for tick in range(begin, begin + length)}
    found = union_s((float(begin), float(begin + length)) for begin, length in spans)
    assert found == pytest.approx(len(ticks))
