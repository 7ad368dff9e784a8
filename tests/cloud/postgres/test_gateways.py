from typing import Any
from uuid import UUID

import psycopg

from cloud.actions.take_in import take_in
from cloud.core.readings import PresenceSaid
from cloud.core.twins import Voice
from cloud.postgres import gateways, streams
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, STREAM, at


def test_names_that_nobody_gave_are_left_out(database: Any) -> None:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        assert gateways.by_name(conn, ["lindau-1", "nobody"]) == {"lindau-1": (1, None)}


def test_presence_is_dated_from_when_it_began(database: Any) -> None:
    online = PresenceSaid(state="online", version="1", backlog_batches=2, stream=UUID(STREAM))
    offline = PresenceSaid(state="offline", version="1", backlog_batches=2, stream=UUID(STREAM))
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        for said, when, expected in (
            (online, NOW, ("online", NOW)),
            (online, at(30), ("online", NOW)),
            (offline, at(40), ("offline", at(40))),
            (offline, at(45), ("offline", at(40))),
            (online, at(50), ("online", at(50))),
        ):
            gateways.note_presence(conn, 1, said, when)
            conn.commit()
            assert presence(admin) == expected


def test_who_was_not_heard_is_offline_since_it_was_heard_last(database: Any) -> None:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        online = PresenceSaid(state="online", version="", backlog_batches=0, stream=UUID(STREAM))
        gateways.note_presence(conn, 1, online, NOW)
        assert gateways.note_silent(conn, NOW) == []
        assert gateways.note_silent(conn, at(1)) == ["lindau-1"]
        conn.commit()
        assert presence(admin) == ("offline", NOW)
        assert cases.due(admin) == {1, 2}, "open pages and whoever assesses look again"
        assert gateways.note_silent(conn, at(1)) == [], "once"

        gateways.note_presence(conn, 1, online, at(100))
        assert presence(conn) == ("online", at(100)), "it says one word, and is back"


def test_a_word_or_a_reading_keeps_a_gateway_online(database: Any) -> None:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        take_in(conn, [cases.arrived(cases.counting(1, 1))], at(50))
        online = PresenceSaid(state="online", version="", backlog_batches=0, stream=UUID(STREAM))
        gateways.note_presence(conn, 1, online, NOW)
        assert gateways.note_silent(conn, at(40)) == [], "a reading came, 50 s after its presence"

        said = Voice(UUID(STREAM), NOW, at(90), at(90), NOW)
        streams.spoke(conn, 1, said)
        assert gateways.note_silent(conn, at(80)) == [], "it spoke"
        assert gateways.note_silent(conn, at(91)) == ["lindau-1"]
        assert presence(conn) == ("offline", at(90))


def presence(conn: psycopg.Connection) -> Any:
    return conn.execute("SELECT presence, presence_at FROM gateways").fetchone()
