"""The page must not make a red verdict look green, nor run what a report says."""

from dataclasses import asdict
from typing import Any

from tests.faults import page
from tests.faults.checker import TITLES, Verdict
from tests.faults.scenario import Report


def report(verdict: str, **changes: Any) -> dict[str, Any]:
    made = Report(faults=["F8"], seed=7, verdict=verdict, took_s=30.0)
    made.verdicts = [
        asdict(Verdict(invariant=name, title=title, verdict="pass", said="fine"))
        for name, title in TITLES.items()
    ]
    made.numbers = {"recovered_s": 1.5}
    for name, value in changes.items():
        setattr(made, name, value)
    return asdict(made) | {"replay": made.replay}


def test_a_green_run_says_so_and_how_to_play_it_again() -> None:
    made = page.page([report("pass")])
    assert "nothing lost" in made
    assert "What is wrong" not in made
    assert "python -m tests.faults run F8 --seed 7" in made


def test_a_red_verdict_is_at_the_top_and_in_the_matrix() -> None:
    bad = report("fail", said="I1 gone")
    bad["verdicts"][0] |= {"verdict": "fail", "said": "I1 gone", "evidence": ["one", "two"]}
    made = page.page([report("pass"), bad])
    assert "1 of 2 worlds show something wrong" in made
    assert made.index("What is wrong") < made.index("Every fault alone")
    assert "class='fail must'" in made
    assert "<li>two" in made


def test_a_finding_of_the_scenario_turns_its_invariant_red() -> None:
    made = page.page([report("fail", findings=[{"invariant": "I8", "said": "mute", "ok": False}])])
    assert made.count("<td class='fail") == 1


def test_what_a_report_says_is_text() -> None:
    made = page.page([report("fail", said="<script>alert(1)</script>")])
    assert "<script>" not in made


def test_what_was_skipped_is_not_counted_as_held() -> None:
    made = page.page([report("skip", verdicts=[], said="F28: needs root")])
    assert "Nothing was run" in made
    assert "needs root" in made
