import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.evidence import (
    BEGINNING,
    Kind,
    Misfit,
    Record,
    append,
    decided,
    recomputed,
    verify,
)
from cloud.core.policies.base import Place, Terms
from cloud.core.policies.can_order import CanOrder
from cloud.core.policies.level_steps import LevelSteps, Step
from cloud.core.policies.min_max import MinMax
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
STOCK = Stock(at=NOW, arrives_at=NOW, covers_until=NOW + timedelta(days=7), on_hand=12, covering=3)
TERMS = Terms(pack=10, capacity=100)
POLICY = MinMax(reorder_point=20, order_up_to=60)


def chain() -> tuple[Record, ...]:
    decision, body = decided(POLICY, STOCK, TERMS, NOW)
    assert isinstance(decision, Place)
    records: tuple[Record, ...] = ()
    for kind, what in (
        (Kind.READING, {"gateway": "g1", "stream": "s", "seq": 7, "weight_mg": 1_726_400}),
        (Kind.MOVEMENT, {"cause": "usage", "pieces": -3, "readings": [6, 7]}),
        (Kind.POSITION, {"on_hand": 12, "covering": 3, "position": 15}),
        (Kind.DECISION, body),
        (Kind.EVENT, {"verb": "send", "at": NOW}),
        (Kind.EVENT, {"verb": "receive", "pieces": 50, "at": NOW + timedelta(days=2)}),
    ):
        records = append(records, kind, what)
    return records


CHAIN = chain()


def test_what_joined_is_decided_again_as_it_was_asked_and_not_as_one_that_is_low() -> None:
    policy = CanOrder(reorder_point=5, can_order=20, order_up_to=60)
    decision, body = decided(policy, STOCK, TERMS, NOW, joins=True)
    assert isinstance(decision, Place)
    assert isinstance(body, dict)
    assert recomputed(body) == body["decision"]
    alone = {name: value for name, value in body.items() if name != "joins"}
    assert recomputed(alone) != body["decision"]
    with pytest.raises(AssertionError):
        decided(POLICY, STOCK, TERMS, NOW, joins=True)


def test_a_chain_as_it_was_written_fits() -> None:
    assert verify(CHAIN) is None
    assert verify(CHAIN, CHAIN[-1].digest) is None
    assert verify(()) is None


def test_anybody_can_check_it_without_us() -> None:
    previous = BEGINNING
    for record in CHAIN:
        told = {"body": record.body, "kind": record.kind, "previous": previous, "seq": record.seq}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert record.digest == previous


@given(at=st.integers(0, len(CHAIN) - 1), draw=st.data())
def test_whatever_is_changed_the_first_record_that_does_not_fit_is_named(
    at: int, draw: st.DataObject
) -> None:
    other = draw.draw(
        st.sampled_from(
            [
                replace(CHAIN[at], body={"weight_mg": 1}),
                replace(CHAIN[at], digest="f" * 64),
                replace(CHAIN[at], previous="f" * 64),
                replace(CHAIN[at], seq=99),
                replace(CHAIN[at], body={"weight_mg": 1.5}),  # type: ignore[dict-item]  # what must not be
            ]
        )
    )
    found = verify((*CHAIN[:at], other, *CHAIN[at + 1 :]))
    assert found is not None
    assert found.seq == at + 1


@given(gone=st.integers(0, len(CHAIN) - 2))
def test_a_record_that_was_taken_out_is_missed(gone: int) -> None:
    found = verify((*CHAIN[:gone], *CHAIN[gone + 1 :]))
    assert found is not None
    assert found.seq == gone + 1


def test_a_chain_cut_at_its_end_is_seen_by_who_remembers_the_end() -> None:
    assert verify(CHAIN[:-1]) is None
    found = verify(CHAIN[:-1], CHAIN[-1].digest)
    assert found == Misfit(
        seq=5, because="The chain does not end where it is said to: something was cut off or added."
    )


def test_a_decision_that_does_not_follow_is_found_though_every_hash_is_right() -> None:
    _, body = decided(POLICY, STOCK, TERMS, NOW)
    assert isinstance(body, dict)
    assert isinstance(body["decision"], dict)
    forged = {**body, "decision": {**body["decision"], "quantity": 90}}
    assert verify(append((), Kind.DECISION, forged)) == Misfit(
        seq=1, because="Decided again it comes to something else."
    )
    unknown = {**body, "policy": {"name": "min_max", "version": 99, "parameters": {}}}
    found = verify(append((), Kind.DECISION, unknown))
    assert found is not None
    assert "cannot be made again" in found.because


def test_what_was_read_after_the_decision_is_no_ground_for_it() -> None:
    late = append(CHAIN, Kind.READING, {"weight_mg": 1})
    found = verify(late)
    assert found is not None
    assert (found.seq, found.because) == (7, "A reading comes too late to have been decided on.")


def test_a_stored_decision_is_made_again_to_the_bit() -> None:
    steps = LevelSteps(
        steps=(Step(name="half", fewest=5, most=9), Step(name="empty", fewest=0, most=4)),
        order_at="half",
        order_up_to=30,
    )
    for policy, stock in ((POLICY, STOCK), (steps, replace(STOCK, step="half", covering=0))):
        decision, body = decided(policy, stock, TERMS, NOW)
        assert isinstance(decision, Place)
        stored = json.loads(json.dumps(body))
        assert isinstance(body, dict)
        assert recomputed(stored) == body["decision"]


def test_a_float_is_no_evidence() -> None:
    with pytest.raises(TypeError):
        append((), Kind.READING, {"weight_g": 1.5})
