"""Files of demand: read as they are meant, and each mistake told with where and what is allowed."""

from pathlib import Path

import numpy as np
import pytest

from cloud.cli.demand_sets import DemandSetError, read_sets
from tests.cloud.cli.replay_sets import MAN_ITEMS, write_rows, write_sets


def test_what_stands_in_the_files_is_what_was_demanded(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "man_items.csv",
        MAN_ITEMS,
        [("a", 2.5, 5, 0.2, 7, 10, 20), ("b", 1, 5, 0.2, 7, 1, 1)],
    )
    write_rows(
        tmp_path / "man_demand.csv.gz",
        ("sku", "week", "qty"),
        [("b", 150, 3), ("a", 1, 40), ("a", 1, 38)],
    )
    (man,) = read_sets(tmp_path)
    assert man.demand.shape == (2, 150)
    assert man.demand[0, 0] == 78
    assert man.demand[1, 149] == 3
    assert man.demand.sum() == 81
    assert man.price.tolist() == [2.5, 1]
    assert man.lot.pack.tolist() == [10, 1]
    assert man.lot.quantity.tolist() == [20, 1]  # four weeks' usage, but no less than the MOQ


def test_items_that_are_not_replayed_are_left_out(tmp_path: Path) -> None:
    write_sets(tmp_path, items=10)
    sizes = {found.name: len(found.demand) for found in read_sets(tmp_path)}
    assert sizes == {"man": 10, "carparts": 8, "retail": 10}


def test_the_same_seed_makes_the_same_sets(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_sets(tmp_path / name)
    one, two = (read_sets(tmp_path / name) for name in ("one", "two"))
    assert all(np.array_equal(a.demand, b.demand) for a, b in zip(one, two, strict=True))


def _item(**changed: object) -> list[object]:
    row = dict(zip(MAN_ITEMS, ("a", 2.5, 5, 0.2, 7, 10, 20), strict=True)) | changed
    return list(row.values())


@pytest.mark.parametrize(
    ("items", "demand", "told"),
    [
        ([_item(price=0)], [], "man_items.csv, line 2: column price is '0'; it must be above 0"),
        ([_item(price="nan")], [], "column price is 'nan'; it must be above 0"),
        (
            [_item(), _item(sku="b", pack=1.5)],
            [],
            "column pack is '1.5'; it must be a whole",
        ),
        ([_item(moq="")], [], "column moq is empty"),
        ([_item(), _item()], [], "line 3: column sku is there twice"),
        ([], [], "man_items.csv holds no item"),
        (
            [_item()],
            [("a", 151, 1)],
            "man_demand.csv.gz, line 2: column week is '151'; it must be a whole number from 1",
        ),
        ([_item()], [("a", 3, 1), ("a", 3, -1)], "line 3: column qty is '-1'"),
        ([_item()], [("z", 3, 1)], "column sku is no item of man_items.csv"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_column(
    tmp_path: Path, items: list[list[object]], demand: list[tuple[object, ...]], told: str
) -> None:
    write_rows(tmp_path / "man_items.csv", MAN_ITEMS, items)
    write_rows(tmp_path / "man_demand.csv.gz", ("sku", "week", "qty"), demand)
    with pytest.raises(DemandSetError) as refused:
        read_sets(tmp_path)
    assert told in str(refused.value)


def test_a_missing_column_is_named_with_those_that_must_be_there(tmp_path: Path) -> None:
    write_rows(tmp_path / "online_retail_items.csv", ("sku",), [("a",)])
    with pytest.raises(
        DemandSetError, match="column price is missing; these must be there: sku, price"
    ):
        read_sets(tmp_path)


def test_files_that_are_not_there_or_no_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(DemandSetError, match="is no folder"):
        read_sets(tmp_path / "nowhere")
    with pytest.raises(DemandSetError, match=r"holds no demand set.*man_items\.csv"):
        read_sets(tmp_path)
    write_rows(tmp_path / "man_items.csv", MAN_ITEMS, [_item()])
    with pytest.raises(DemandSetError, match=r"man_demand\.csv\.gz cannot be read"):
        read_sets(tmp_path)
    (tmp_path / "man_demand.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DemandSetError, match=r"man_demand\.csv\.gz cannot be read"):
        read_sets(tmp_path)
