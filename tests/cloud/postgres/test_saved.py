"""Written as new or over what is there, and a version either way."""

from typing import Any

from cloud.postgres import saved


def test_the_first_is_version_one_and_each_other_content_the_next(shelf: Any) -> None:
    for moq in (50, 50, 60):
        key = ("bin_id", shelf.bin_id)
        saved.save(shelf.admin, "bin_policies", key, {"moq": moq, "grace_hours": 6})
    (row,) = shelf.rows("bin_policies")
    assert (row["moq"], row["grace_hours"], row["version"]) == (60, 6, 2)
    versions = [one["version"] for one in shelf.rows("changes") if one["noun"] == "bin_policy"]
    assert versions == [1, 2]
