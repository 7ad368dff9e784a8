from cloud.core.order_states import DONE_BEFORE, EDGES, ENDED, State, Verb, refusal_of


def test_what_has_ended_stays_so_and_nothing_else_is_a_dead_end() -> None:
    assert {state for state, edges in EDGES.items() if not edges} == ENDED


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached = {State.DRAFT}
    for _ in State:
        reached |= {after for state in reached for many in EDGES[state].values() for after in many}
    assert reached == set(State)


def test_a_verb_is_never_an_edge_and_a_repeat_at_once() -> None:
    for verb, states in DONE_BEFORE.items():
        assert not [state for state in states if verb in EDGES[state]]


def test_there_is_a_sentence_for_every_no() -> None:
    sentences = {refusal_of(state, verb).sentence for state in State for verb in Verb}
    assert all(sentence.endswith(".") for sentence in sentences)
