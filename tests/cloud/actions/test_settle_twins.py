from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from cloud.actions.settle_twins import settle_twins
from cloud.actions.take_in import take_in
from cloud.core.refusals import GatewayUnknown, StreamNotHeard
from edge_agent.wire import messages
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, NOW_MS, OTHER_STREAM, STREAM, arrived, at, counting

OURS, THEIRS = UUID(STREAM), UUID(OTHER_STREAM)


@pytest.fixture
def alarmed(database: Any) -> Any:
    with (
        database.admin() as admin,
        database.connect("binline_ingest") as conn,
        database.connect("binline_jobs") as jobs,
    ):
        cases.make_site(admin)
        both_speak(conn, 0)
        assert admin.execute("SELECT twin_kept FROM gateways").fetchone() == (OURS,)
        yield admin, conn, jobs


def both_speak(conn: Any, since_s: int) -> None:
    for second in range(since_s, since_s + 180, 30):
        for stream, late in ((STREAM, 0), (OTHER_STREAM, 10)):
            at_ms = NOW_MS + (second + late) * 1_000
            said = messages.Presence(state="online", stream=stream, at_ms=at_ms)
            take_in(conn, [arrived(said)], at(second + late))


@pytest.mark.parametrize(("kept", "refused"), [(OURS, THEIRS), (THEIRS, OURS)])
def test_who_is_kept_goes_on_and_the_other_is_refused_for_good(
    alarmed: Any, kept: UUID, refused: UUID
) -> None:
    admin, conn, jobs = alarmed
    assert settle_twins(jobs, "lindau-1", kept, "ada", NOW) == [refused]
    settled = admin.execute("SELECT twin_since, twin_settled FROM gateways").fetchone()
    assert settled == (None, f"ada kept stream {kept.hex} on 2026-03-02 09:00 UTC")

    both_speak(conn, 300)
    assert admin.execute("SELECT twin_since FROM gateways").fetchone() == (None,)
    assert len(take_in(conn, [arrived(counting(1, 3, stream=kept.hex))], NOW).committed) == 1
    taken = take_in(conn, [arrived(counting(1, 3, stream=refused.hex))], NOW)
    assert (taken.committed, taken.held) == ([], 1)
    assert len(cases.seqs(admin)) == 3


def test_what_the_refused_one_said_last_is_the_present_of_no_bin(database: Any) -> None:
    with (
        database.admin() as admin,
        database.connect("binline_ingest") as conn,
        database.connect("binline_jobs") as jobs,
    ):
        first, _ = cases.make_site(admin)
        take_in(conn, [arrived(replace(counting(1, 3), life=5))], NOW)
        copied = replace(counting(1, 9, stream=OTHER_STREAM), life=6)
        take_in(conn, [arrived(copied)], NOW)
        both_speak(conn, 0)
        settle_twins(jobs, "lindau-1", OURS, "ada", NOW)
        assert cases.state(admin, first, "1") is None
        assert first in cases.due(admin)

        take_in(conn, [arrived(replace(counting(4, 4), life=5))], NOW)
        assert cases.state(admin, first, "stream_no, seq") == (1, 4)


def test_a_name_or_a_stream_that_nobody_knows_is_refused(alarmed: Any) -> None:
    _, _, jobs = alarmed
    with pytest.raises(GatewayUnknown):
        settle_twins(jobs, "lindau-9", OURS, "ada", NOW)
    with pytest.raises(StreamNotHeard):
        settle_twins(jobs, "lindau-1", UUID(int=7), "ada", NOW)
