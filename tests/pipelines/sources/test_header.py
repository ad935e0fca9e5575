import pytest

from pipelines.errors import ContractError
from pipelines.sources.header import check_header
from tests.pipelines.sources.rides import HEADER, source


@pytest.mark.parametrize(
    "line", [HEADER, b"\xef\xbb\xbf" + HEADER, HEADER.replace(b"name", b'"name"')]
)
def test_the_contract_s_own_header_passes(line: bytes) -> None:
    check_header("rides.csv", line, source())


_WRONG = [
    (b"ride_id,NAME,fare,day,at,phone", r"renamed 'name': came as 'NAME' \(column 2\)"),
    (b"ride_id,name,day,at,phone", "missing 'fare'"),
    (b"ride_id,name,fare,day,at,phone,tip", r"extra 'tip' \(column 7\)"),
    (b"ride_id,ride_id,name,fare,day,at,phone", "'ride_id' comes 2 times"),
    (b"name,ride_id,fare,day,at,phone", "another order: column 1 is 'name', expected 'ride_id'"),
    (b"1,Ann,2.5,2024-01-02,2024-01-02T10:00:00Z,5", "first line names none of them.*no header"),
    (b"ride_id;name;fare;day;at;phone", "delimiter may be ';'"),
    (b"ride_id,n\xe4me,fare,day,at,phone", "expected UTF-8 text; the header's byte 9 is 0xe4"),
    (HEADER.decode().encode("utf-16"), "UTF-16"),
    (HEADER.decode().encode("utf-16-le"), "UTF-16"),
]


@pytest.mark.proves("B10", "B11", "B12", "B13", "B14", "B18", "B23")
@pytest.mark.parametrize(("line", "message"), _WRONG)
def test_each_difference_is_named(line: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_header("rides.csv", line, source())
