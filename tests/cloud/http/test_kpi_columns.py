import pytest

from cloud.http.kpi_columns import COLUMNS, hours, number, signed_percent
from cloud.http.words import UNDEFINED


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, UNDEFINED),
        (0.0, "0.0 %"),
        (0.1234, "+12.3 %"),
        (-0.1234, "\N{MINUS SIGN}12.3 %"),
        (-0.0001, "0.0 %"),
    ],
)
def test_a_bias_has_its_sign(share: float | None, text: str) -> None:
    assert signed_percent(share) == text


def test_what_is_not_defined_is_a_dash_and_never_zero() -> None:
    assert hours(None) == number(None) == UNDEFINED
    assert (hours(1.5), number(1_234.56)) == ("1 h 30 min", "1,234.6")


def test_every_kpi_has_a_name_of_its_own_and_says_what_it_means() -> None:
    assert len({column.title for column in COLUMNS}) == len(COLUMNS)
    assert all(column.means.endswith(".") for column in COLUMNS)
