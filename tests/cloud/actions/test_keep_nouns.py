"""Nouns kept by people: changed by version, taken in from files whole or not at all."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cloud.actions import keep_nouns
from cloud.core.imports import Plan
from cloud.core.nouns import BIN, ITEM, NOUNS, PLACE, SITE, Noun, read
from cloud.core.refusals import ChangedMeanwhile, NotAsAllowed
from cloud.postgres import asking, nouns
from cloud.sheets import files
from tests.cloud.http.world import OPERATIONS, World


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    World(database).settle().a_morning()
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, OPERATIONS)
        yield conn


def exported(conn: psycopg.Connection) -> bytes:
    return files.workbook_of(
        {
            noun.name: [row.values for row in nouns.every(conn, noun).values()]
            for noun in NOUNS.values()
        }
    )


def planned(conn: psycopg.Connection, name: str, content: bytes) -> Plan:
    return keep_nouns.preview(conn, files.read_file(name, content))


def changed(conn: psycopg.Connection, noun: Noun, *ids: int, **to: object) -> None:
    row = keep_nouns.known(nouns.find(conn, noun, *ids))
    keep_nouns.change(conn, noun, row, row.version, read(noun, to, row.values))


def count(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM changes").fetchone()
    assert row is not None
    return int(row[0])


def test_what_is_exported_and_taken_in_changes_nothing(conn) -> None:
    before = count(conn)
    sheets = files.read_file("all.xlsx", exported(conn))
    assert [sheet.name for sheet in sheets] == [noun.plural for noun in NOUNS.values()]
    plan = keep_nouns.take_in(conn, sheets, None)
    assert plan is not None
    assert (plan.steps, plan.wrong) == ([], [])
    assert plan.unchanged == sum(len(nouns.every(conn, noun)) for noun in NOUNS.values())
    for noun in NOUNS.values():
        rows = [row.values for row in nouns.every(conn, noun).values()]
        plan = planned(conn, f"{noun.plural}.csv", files.csv_of(noun, rows))
        assert (plan.steps, plan.wrong, plan.unchanged) == ([], [], len(rows))
    assert count(conn) == before


NEW = (
    b"customers.csv|name;number\nLindau AG;00417\n",
    b"sites.csv|name;customer;place;time_zone\nLindau Pumps;Lindau AG;Plant 2;Europe/Berlin\n",
    (b"places.csv|site;path;kind\nLindau Pumps;Hall / R04 / R04-B;shelf\nLindau Pumps;Hall;area\n"
     b"Lindau Pumps;Hall / R04;rack\n"),
    "items.csv|sku;name;unit_weight_g;price;currency\n00900;Stützhülse;1,83;0,0415;EUR\n".encode("cp1252"),
    (b"bins.csv|code;site;place;item;supplier;capacity;minimum\n"
     b"LND-NEW;Lindau Pumps;Hall / R04 / R04-B;00900;Ferro AG;900;90\n"),
)  # fmt: skip


def test_a_german_spreadsheet_is_taken_in_and_the_second_time_nothing(conn) -> None:
    for one in NEW:
        name, _, content = one.partition(b"|")
        sheets = files.read_file(name.decode(), content)
        plan = keep_nouns.preview(conn, sheets)
        assert not plan.wrong
        assert plan.steps
        assert keep_nouns.take_in(conn, sheets, plan.mark) is not None
        again = keep_nouns.preview(conn, sheets)
        assert (again.steps, again.wrong) == ([], [])
    row = nouns.find_bin(conn, "LND-NEW")
    assert row is not None
    assert row.values["place"] == "Hall / R04 / R04-B"
    item = nouns.every(conn, ITEM)["00900",].values
    assert (item["name"], item["unit_weight_ug"], item["price_e4"]) == (
        "Stützhülse",
        1_830_000,
        415,
    )
    place = conn.execute("SELECT place FROM bins WHERE code = 'LND-NEW'").fetchone()
    assert place == ("R04-B",)


def test_one_wrong_row_and_nothing_is_taken_in(conn) -> None:
    content = (
        b"code,site,item,supplier,capacity,minimum,colour\nX,Nowhere,10741,Ferro AG,10,10,red\n"
    )
    (wrong,) = planned(conn, "bins.csv", content).wrong
    assert (wrong.column, wrong.row) == ("colour", 1)
    content = (
        b"code,site,item,supplier,capacity,minimum\nLND-OK,Lindau Pumps,10741,Ferro AG,20,10\n"
        b"x,Nowhere,10741,Ferro AG,10,10\nLND-OK,Lindau Pumps,10741,Ferro AG,20,10\n"
    )
    sheets = files.read_file("bins.csv", content)
    plan = keep_nouns.preview(conn, sheets)
    assert {(one.row, one.column) for one in plan.wrong} == {
        (3, "code"), (3, "minimum"), (3, "site"), (4, "code"),
    }  # fmt: skip
    assert all(one.allowed for one in plan.wrong)
    assert keep_nouns.take_in(conn, sheets, plan.mark) is None
    assert nouns.find_bin(conn, "LND-OK") is None


def test_a_plan_that_is_no_longer_the_one_that_was_shown_is_not_done(conn) -> None:
    sheets = files.read_file("items.csv", b"sku,name\n10741,Lock nut M8 A2\n")
    mark = keep_nouns.preview(conn, sheets).mark
    item = nouns.every(conn, ITEM)["10741",]
    changed(conn, ITEM, item.id, name="Lock nut, other")
    assert keep_nouns.take_in(conn, sheets, mark) is None


def test_an_edit_of_an_older_version_is_refused_with_what_changed(conn) -> None:
    row = keep_nouns.known(nouns.find_bin(conn, "LND-R04-B2"))
    keep_nouns.change(conn, BIN, row, row.version, read(BIN, {"minimum": 400}, row.values))
    now = keep_nouns.known(nouns.find_bin(conn, "LND-R04-B2"))
    assert now.version == row.version + 1
    with pytest.raises(ChangedMeanwhile) as refused:
        keep_nouns.change(conn, BIN, now, row.version, read(BIN, {"margin": 1}, now.values))
    assert (refused.value.version, refused.value.fields) == (now.version, ("minimum",))


def test_all_mistakes_of_an_edit_are_told_at_once(conn) -> None:
    row = keep_nouns.known(nouns.find_bin(conn, "LND-R04-B2"))
    wrong = {"minimum": -1, "measure": "guess", "item": "none", "site": 5, "colour": "red"}
    with pytest.raises(NotAsAllowed) as refused:
        keep_nouns.change(conn, BIN, row, row.version, read(BIN, wrong, row.values))
    assert {one.field for one in refused.value.mistakes} == wrong.keys()


def test_a_key_that_is_taken_is_refused(conn) -> None:
    with pytest.raises(NotAsAllowed) as refused:
        keep_nouns.add(conn, SITE, read(SITE, {"name": "Lindau Pumps", "customer": "?"}))
    assert {one.field for one in refused.value.mistakes} == {"customer"}
    item = {"sku": "10741", "name": "x", "unit_weight_ug": 1}
    with pytest.raises(NotAsAllowed) as refused:
        keep_nouns.add(conn, ITEM, read(ITEM, item))
    assert refused.value.mistakes[0].allowed == "not one that is taken"


def test_a_changed_bin_is_looked_at_and_told_to_open_pages(conn, database) -> None:
    row = keep_nouns.known(nouns.find_bin(conn, "LND-R02-C7"))
    with database.admin() as admin:
        admin.execute("DELETE FROM bin_due")
    changed(conn, BIN, row.id, minimum=900)
    assert conn.execute("SELECT bin_id FROM bin_due").fetchall() == [(row.id,)]
    moved = conn.execute(
        "SELECT bin_id FROM bin_state WHERE changed_xid = pg_current_xact_id()"
    ).fetchall()
    assert moved == [(row.id,)]


def test_what_held_when_is_kept_when_a_bin_changes_its_item_and_a_scale_its_bin(conn) -> None:
    row = keep_nouns.known(nouns.find_bin(conn, "LND-R04-B2"))
    conn.commit()
    asking.as_operations(conn, OPERATIONS)
    changed(conn, BIN, row.id, item="10858", supplier="Norrby", tare_mg=1)
    held = conn.execute(
        "SELECT i.sku, su.name, h.tare_mg, h.to_at IS NULL FROM bin_items h JOIN items i USING"
        " (item_id) JOIN suppliers su USING (supplier_id) WHERE bin_id = %s ORDER BY from_at",
        (row.id,),
    ).fetchall()
    assert held == [("10741", "Ferro AG", 350_000, False), ("10858", "Norrby", 1, True)]
    item = nouns.every(conn, ITEM)["10741",]
    asking.because(conn, "weighed a hundred of them")
    changed(conn, ITEM, item.id, unit_weight_ug=4_300_000)
    calibrations = conn.execute(
        "SELECT unit_weight_ug, because, by FROM item_calibrations WHERE item_id = %s"
        " ORDER BY from_at",
        (item.id,),
    ).fetchall()
    assert calibrations[-1] == (4_300_000, "weighed a hundred of them", OPERATIONS)
    sensor = conn.execute("SELECT sensor_id FROM sensors WHERE bin_id = %s", (row.id,)).fetchone()
    conn.execute("UPDATE sensors SET bin_id = NULL WHERE sensor_id = %s", sensor)
    watched = conn.execute(
        "SELECT bin_id, to_at IS NULL FROM bin_sensors WHERE sensor_id = %s", sensor
    ).fetchall()
    assert watched == [(row.id, False)]


def test_a_place_takes_along_what_lies_in_it(conn) -> None:
    for path in ("Hall", "Hall / R1", "Hall / R1 / A"):
        keep_nouns.add(conn, PLACE, read(PLACE, {"site": "Lindau Pumps", "path": path}))
    there = nouns.ids_of(conn, PLACE)
    row = keep_nouns.known(nouns.find_bin(conn, "LND-R04-B2"))
    changed(conn, BIN, row.id, place="Hall / R1 / A")
    changed(conn, PLACE, there["Lindau Pumps", "Hall"], path="North")
    row = keep_nouns.known(nouns.find_bin(conn, "LND-R04-B2"))
    assert row.values["place"] == "North / R1 / A"
    changed(conn, PLACE, there["Lindau Pumps", "Hall / R1 / A"], path="North / B")
    assert conn.execute("SELECT place FROM bins WHERE code = 'LND-R04-B2'").fetchone() == ("B",)
    with pytest.raises(NotAsAllowed):
        changed(conn, PLACE, there["Lindau Pumps", "Hall"], path="North / R1 / North")
