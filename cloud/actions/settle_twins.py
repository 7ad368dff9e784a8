"""A person says which of two machines a name belongs to. Doing it twice is doing it once."""

from datetime import datetime
from uuid import UUID

import psycopg

from cloud.core.refusals import GatewayUnknown, StreamNotHeard
from cloud.postgres import bin_state, follow_due, gateways, streams


def settle_twins(
    conn: psycopg.Connection, name: str, keep: UUID, by: str, now: datetime
) -> list[UUID]:
    """The streams that are refused from now on: their machine needs a name of its own."""
    with conn.transaction():
        gateway = gateways.by_name(conn, [name]).get(name)
        if gateway is None:
            raise GatewayUnknown
        voices = streams.voices(conn, gateway.gateway_id)
        if keep not in {voice.stream for voice in voices}:
            raise StreamNotHeard
        twins = gateway.twins
        rivals = {twins.kept, twins.held} - {keep} if twins is not None else set()
        streams.refuse(conn, gateway.gateway_id, rivals)
        # The copy began later, so its word would stand against all that the other one says.
        bin_state.forget(conn, gateway.gateway_id, rivals)
        # Two weights in turn look like a bin that shakes, and what moved meanwhile may be either's.
        follow_due.without_refused(conn, gateway.gateway_id, rivals)
        streams.forget_returns(conn, gateway.gateway_id)
        note = f"{by} kept stream {keep.hex} on {now:%Y-%m-%d %H:%M} UTC"
        gateways.note_settled(conn, gateway.gateway_id, note)
    return sorted(rivals)
