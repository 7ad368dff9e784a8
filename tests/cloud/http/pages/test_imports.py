"""The page that takes in files: what it refuses, and what it carries to the second press."""

import base64
import re
import zlib

from tests.cloud.http.world import OPERATIONS


def upload(client, content: bytes, name: str = "bins.csv", **fields: str):
    return client.post("/import", files={"file": (name, content)}, data=fields)


def carried(text: str) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))


def test_what_was_shown_is_done_at_the_second_press_and_not_otherwise(world, browser) -> None:
    ops = browser(OPERATIONS)
    shown = upload(ops, b"code;minimum\nLND-R04-B2;400\n")
    second = carried(shown.text)
    done = ops.post("/import", data=second)
    assert "Taken in: 0 new, 1 changed" in done.text
    late = ops.post("/import", data=second)
    assert late.status_code == 409
    assert "nothing was done" in late.text


def test_a_chosen_kind_goes_before_the_name_of_the_file(world, browser) -> None:
    answer = upload(browser(OPERATIONS), b"name\nNew AG\n", "export (3).csv", noun="customers")
    assert "Take in 1 row" in answer.text


def test_no_file_and_no_sheet_are_refused_with_the_reason(world, browser) -> None:
    ops = browser(OPERATIONS)
    assert "Choose a file first" in upload(ops, b"").text
    refused = upload(ops, b"PK\x03\x04 no zip", "x.xlsx")
    assert refused.status_code == 422
    assert "no whole workbook" in refused.text
    too_much = zlib.compress(b"0" * 100_000_000)
    packed = {"content": base64.b64encode(too_much).decode(), "name": "bins.csv", "mark": "x"}
    assert "larger than" in ops.post("/import", data=packed).text


def test_more_than_a_file_may_weigh_is_not_even_read(world, browser) -> None:
    assert upload(browser(OPERATIONS), b"0" * (13 * 1024 * 1024)).status_code == 413
