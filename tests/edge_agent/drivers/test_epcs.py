"""Memory as published in the Tag Data Standard, and as real tags make it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.drivers import epcs


def sgtin_198(serial: str) -> str:
    """Header, filter 1, partition 5: company 0614141, item 812345, then seven bits a character."""
    head = f"{0x36:08b}{1:03b}{5:03b}{614141:024b}{812345:020b}"
    characters = "".join(f"{ord(character):07b}" for character in serial)
    return f"{int((head + characters).ljust(208, '0'), 2):052X}"


def test_a_tag_says_which_article_it_is_and_its_own_number() -> None:
    assert epcs.explained("3074257BF7194E4000001A85") == {
        "uri": "urn:epc:id:sgtin:0614141.812345.6789",
        "scheme": "sgtin-96",
        "filter": 3,
        "hex": "3074257BF7194E4000001A85",
        "element_string": "(01)80614141123458(21)6789",
        "company_prefix": "0614141",
        "gtin": "80614141123458",
        "item_reference": "812345",
        "serial": "6789",
    }


@pytest.mark.parametrize("serial", ["32a/b", "a.b", "a:b", "A.B.C", "50%", "a.b:c.d"])
def test_a_serial_number_may_hold_points_and_colons(serial: str) -> None:
    found = epcs.explained(sgtin_198(serial))
    assert found["serial"] == serial
    assert found["gtin"] == "80614141123458"
    assert found["element_string"] == f"(01)80614141123458(21){serial}"


@pytest.mark.parametrize(
    ("memory", "scheme", "serial"),
    [
        ("33B4257BF40C0E4000000190", "grai-96", "400"),
        ("3434257BF400000000BC6038", "giai-96", None),
        ("3154257BF4499602D2000000", "sscc-96", None),
        ("3234257BF460720000000190", "sgln-96", "400"),
    ],
)
def test_the_other_keys_are_read_too(memory: str, scheme: str, serial: object) -> None:
    found = epcs.explained(memory)
    assert (found["scheme"], found["company_prefix"]) == (scheme, "0614141")
    assert found.get("serial") == serial


@pytest.mark.parametrize("memory", ["E2000017221101441890", "00", "", "FFFFFFFF"])
def test_somebodys_own_numbering_passes_as_it_is(memory: str) -> None:
    assert epcs.explained(memory) == {
        "uri": f"urn:epc:raw:{len(memory) * 4}.x{memory}",
        "scheme": "raw",
        "hex": memory,
    }


@pytest.mark.parametrize("memory", ["30", "30FF", "3", "GG", "3074257BF7194E40"])
def test_what_breaks_off_is_an_error_and_keeps_its_bytes(memory: str) -> None:
    found = epcs.explained(memory)
    assert found["error"]
    assert (found["scheme"], found["hex"]) == ("raw", memory)


@given(header=st.sampled_from(sorted(epcs._SCHEMES)), rest=st.binary(max_size=30))
@settings(deadline=2_000, max_examples=300)
def test_no_memory_raises(header: int, rest: bytes) -> None:
    memory = (bytes([header]) + rest).hex().upper()
    assert epcs.explained(memory)["hex"] == memory
