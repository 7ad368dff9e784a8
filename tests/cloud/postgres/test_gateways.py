from typing import Any
from uuid import UUID

from cloud.core.readings import PresenceSaid
from cloud.postgres import gateways
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, STREAM, at


def test_names_that_nobody_gave_are_left_out(database: Any) -> None:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        assert gateways.by_name(conn, ["lindau-1", "nobody"]) == {"lindau-1": (1, None)}


def test_a_kept_presence_that_says_something_new_is_news(database: Any) -> None:
    online = PresenceSaid(state="online", version="1", backlog_batches=2, stream=UUID(STREAM))
    offline = PresenceSaid(state="offline", version="1", backlog_batches=2, stream=UUID(STREAM))
    columns = "SELECT presence, presence_at FROM gateways"
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        for said, when, kept, expected in (
            (online, NOW, True, ("online", NOW)),
            (online, at(5), True, ("online", NOW)),
            (offline, at(6), True, ("offline", at(6))),
            (offline, at(7), False, ("offline", at(7))),
        ):
            gateways.note_presence(conn, 1, said, when, kept=kept)
            conn.commit()
            assert admin.execute(columns).fetchone() == expected
