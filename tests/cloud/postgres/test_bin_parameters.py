"""What the estimate came to is kept once per bin, and one process estimates at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cloud.postgres import bin_parameters
from cloud.postgres.bin_parameters import ParameterRow

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
ROW = ParameterRow(
    computed_at=NOW,
    target_permille=950,
    method="history",
    learning=False,
    rate_milli_per_day=41_300,
    spread=12.5,
    minimum=430,
    order_up_to=None,
    because="as it was used",
)


def test_a_bin_has_one_and_the_newest(shelf: Any) -> None:
    assert bin_parameters.of_bin(shelf.admin, shelf.bin_id) is None
    assert bin_parameters.last_computed(shelf.admin) is None
    later = replace(ROW, computed_at=NOW + timedelta(days=1), minimum=450)
    for row in (ROW, later):
        bin_parameters.save(shelf.admin, [(shelf.bin_id, row)])
    assert bin_parameters.of_bin(shelf.admin, shelf.bin_id) == later
    assert bin_parameters.last_computed(shelf.admin) == later.computed_at
    bin_parameters.note_applied(shelf.admin, shelf.bin_id, 440, 1_900)
    bin_parameters.note_held(shelf.admin, shelf.bin_id, "the band holds it")
    found = bin_parameters.of_bin(shelf.admin, shelf.bin_id)
    assert found == replace(
        later, applied_minimum=440, applied_order_up_to=1_900, held="the band holds it"
    )
    assert bin_parameters.forget_others(shelf.admin, later.computed_at) == 0
    assert bin_parameters.forget_others(shelf.admin, NOW + timedelta(days=2)) == 1


def test_a_bin_is_estimated_on_the_terms_of_its_line_before_its_items(shelf: Any) -> None:
    (one,) = bin_parameters.estimable(shelf.admin)
    assert (one.pack, one.moq, one.policy, one.price) == (500, 1, "min_max", Decimal(1))
    shelf.admin.execute("UPDATE item_suppliers SET pack = 250, moq = 1000")
    shelf.admin.execute("INSERT INTO item_prices SELECT item_id, 415, 'EUR' FROM bins")
    (one,) = bin_parameters.estimable(shelf.admin)
    assert (one.pack, one.moq, one.price) == (250, 1_000, Decimal("0.0415"))


def test_one_process_estimates_at_a_time(database: Any, shelf: Any) -> None:
    with database.connect("binline_jobs") as one, database.connect("binline_jobs") as other:
        assert bin_parameters.take_turn(one)
        assert not bin_parameters.take_turn(other)
        bin_parameters.end_turn(one)
        assert bin_parameters.take_turn(other)
        bin_parameters.end_turn(other)
