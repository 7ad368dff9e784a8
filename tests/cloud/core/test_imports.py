"""The plan of a file: what is new, what changes, what is wrong; found without doing anything."""

from cloud.core.imports import Sheet, plan_of
from cloud.core.nouns import CUSTOMER, PLACE, SITE, read

LINDAU = read(CUSTOMER, {"name": "Lindau AG", "number": "00417"}).values
KNOWN = {"customer": {("Lindau AG",): LINDAU}}


def sheet(name: str, columns: str, *rows: str) -> Sheet:
    return Sheet(
        name=name,
        columns=columns.split(","),
        rows=[(n, row.split(",")) for n, row in enumerate(rows, 2)],
    )


def test_a_row_that_says_what_is_there_is_no_change_and_a_missing_column_neither() -> None:
    plan = plan_of([sheet("customers", "number,name", "00417,Lindau AG")], KNOWN)
    assert (plan.steps, plan.wrong, plan.unchanged) == ([], [], 1)
    plan = plan_of([sheet("customers", "name", "Lindau AG", "Hartmann AG")], KNOWN)
    assert [step.key for step in plan.new] == [("Hartmann AG",)]
    assert plan.unchanged == 1


def test_a_change_is_told_with_before_and_after_and_an_empty_cell_is_the_default() -> None:
    (step,) = plan_of([sheet("customers", "name,number", "Lindau AG,")], KNOWN).changed
    assert step.differences == [("Number", "00417", "")]
    assert step.values["active"] is True


def test_what_refers_to_a_row_of_the_same_file_is_good_in_whatever_order() -> None:
    sheets = [
        sheet("places", "site,path", "Lindau,Hall / R1", "Lindau,Hall", "Lindau,Attic / R1"),
        sheet("sites", "name,customer", "Lindau,New AG"),
        sheet("customers", "name", "New AG"),
    ]
    plan = plan_of(sheets, KNOWN)
    assert [step.key for step in plan.steps if step.noun is PLACE] == [
        ("Lindau", "Hall"),
        ("Lindau", "Hall / R1"),
    ]
    (wrong,) = plan.wrong
    assert (wrong.row, wrong.column, wrong.given) == (4, "path", "Attic / R1")
    assert any(step.noun is SITE for step in plan.steps)


def test_unknown_sheets_columns_and_rows_said_twice_are_told_with_their_place() -> None:
    plan = plan_of(
        [
            sheet("colours", "name", "red"),
            sheet("customers", "name,number", "A,1", "A,2"),
            sheet("sites", "customer,hue", "A,red"),
        ],
        {},
    )
    assert [(one.sheet, one.row, one.column) for one in plan.wrong] == [
        ("colours", 1, ""),
        ("customers", 3, "name"),
        ("sites", 1, "hue"),
        ("sites", 1, "name"),
    ]
    assert all(one.allowed for one in plan.wrong)


def test_the_mark_is_another_when_anything_of_the_plan_is() -> None:
    one, two = (
        plan_of([sheet("customers", "name,number", f"Lindau AG,{n}")], KNOWN) for n in (1, 2)
    )
    assert one.mark != two.mark
    again = plan_of([sheet("customers", "name,number", "Lindau AG,1")], KNOWN)
    assert one.mark == again.mark
