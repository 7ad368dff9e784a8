"""The reports of a run as one page: faults down, invariants across, and what is wrong in words.

One file, no script, nothing loaded; light and dark as the reader's machine is.
"""

import html
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.catalogue import FAULTS
from tests.faults.checker import TITLES

NAME = "report.html"
STYLE = (Path(__file__).parent / "page.css").read_text()
NOTHING = "\N{EN DASH}"
MARKS = {"pass": "✓", "fail": "✗", "waived": NOTHING, "none": "·", "must": ""}
NUMBERS = {
    "recovered_s": "fresh again after s",
    "drained_s": "all stored after s",
    "letters": "kept aside",
}
WORDS = {
    "pass": "holds",
    "fail": "broken",
    "skip": "not possible on this machine",
    "broken": "the world did not come up",
    "waived": "not judged under this fault, see there",
    "none": "nothing to judge",
}


def write(folder: Path) -> Path:
    reports = sorted((json.loads(path.read_text()) for path in folder.glob("*.json")), key=_place)
    path = folder / NAME
    path.write_text(page(reports))
    return path


def _place(report: dict[str, Any]) -> tuple[int, list[int], int]:
    names = list(FAULTS)
    return (
        len(report["faults"]),
        [names.index(name) if name in names else 999 for name in report["faults"]],
        report["seed"],
    )


def page(reports: list[dict[str, Any]]) -> str:
    alone = [report for report in reports if len(report["faults"]) == 1]
    made = datetime.now(UTC).strftime("%d %b %Y, %H:%M UTC")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>Faults: {_headline(reports)}</title><style>{STYLE}</style>"
        f"<main><header><p class=eyebrow>Binline fault harness</p><h1>{_headline(reports)}</h1>"
        f"<p class=lede>{_lede(reports)}</p><dl class=facts>{_facts(reports, made)}</dl></header>"
        f"{_trouble(reports)}"
        f"<section><h2>Every fault alone</h2>{_matrix(alone)}</section>"
        f"{_pairs([r for r in reports if len(r['faults']) > 1])}"
        f"<section><h2>What was done</h2>{''.join(map(_detail, reports))}</section>"
        f"<section><h2>Invariants</h2>{_legend()}</section></main>"
    )


def _headline(reports: list[dict[str, Any]]) -> str:
    bad = sum(r["verdict"] in ("fail", "broken") for r in reports)
    judged = sum(r["verdict"] != "skip" for r in reports)
    if not judged:
        return "Nothing was run"
    if not bad:
        return f"{judged} worlds broken on purpose, nothing lost"
    return f"{bad} of {judged} worlds show something wrong"


def _lede(reports: list[dict[str, Any]]) -> str:
    shown = sum(_number(r, "I1", "shown") for r in reports)
    rows = sum(_number(r, "I2", "rows") for r in reports)
    return (
        f"{shown:,} answers of simulated scales were compared with {rows:,} rows in the database"
        " by a checker that knows nothing of the code it judges."
    )


def _number(report: dict[str, Any], invariant: str, name: str) -> int:
    for verdict in report["verdicts"]:
        if verdict["invariant"] == invariant:
            return int(verdict["numbers"].get(name, 0))
    return 0


def _facts(reports: list[dict[str, Any]], made: str) -> str:
    recovered = sorted(
        r["numbers"]["recovered_s"] for r in reports if r["numbers"].get("recovered_s", -1) >= 0
    )
    facts = {
        "Green": str(sum(r["verdict"] == "pass" for r in reports)),
        "Red": str(sum(r["verdict"] in ("fail", "broken") for r in reports)),
        "Skipped": str(sum(r["verdict"] == "skip" for r in reports)),
        "Fresh again, median": f"{recovered[len(recovered) // 2]:.1f} s" if recovered else NOTHING,
        "Fresh again, slowest": f"{recovered[-1]:.1f} s" if recovered else NOTHING,
        "Seeds": ", ".join(sorted({str(r["seed"]) for r in reports})[:4]),
        "Made": made,
    }
    return "".join(
        f"<div><dt>{name}<dd>{html.escape(value)}</div>" for name, value in facts.items()
    )


def _trouble(reports: list[dict[str, Any]]) -> str:
    bad = [r for r in reports if r["verdict"] in ("fail", "broken")]
    if not bad:
        return ""
    items = "".join(
        f"<li><a href='#{_id(r)}'><b>{_names(r)}</b></a> {html.escape(r['said'][:400])}"
        for r in bad
    )
    return f"<section class=trouble><h2>What is wrong</h2><ul>{items}</ul></section>"


def _matrix(reports: list[dict[str, Any]]) -> str:
    if not reports:
        return "<p>None was run.</p>"
    head = "".join(
        f"<th scope=col title='{html.escape(title)}'>{name}" for name, title in TITLES.items()
    )
    rows = "".join(_row(report) for report in reports)
    return (
        "<div class=scroll><table class=matrix><thead><tr><th scope=col class=name>Fault"
        f"{head}<th scope=col class=num>fresh after<th scope=col class=num>took</thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(report: dict[str, Any]) -> str:
    verdicts = {verdict["invariant"]: verdict for verdict in report["verdicts"]}
    wrong = {f["invariant"] for f in report["findings"] if not f["ok"]}
    must = {name for fault in report["faults"] if fault in FAULTS for name in FAULTS[fault].must}
    cells = "".join(
        _cell(name, verdicts.get(name), wrong=name in wrong, must=name in must) for name in TITLES
    )
    title = " and ".join(FAULTS[f].title for f in report["faults"] if f in FAULTS)
    recovered = report["numbers"].get("recovered_s", -1)
    fresh = f"{recovered:.1f} s" if recovered >= 0 else NOTHING
    return (
        f"<tr class={report['verdict']}><th scope=row class=name><a href='#{_id(report)}'>"
        f"<span class=no>{_names(report)}</span> {html.escape(title)}</a>{cells}"
        f"<td class=num>{fresh}<td class=num>{report['took_s']:.0f} s"
    )


def _cell(name: str, verdict: dict[str, Any] | None, *, wrong: bool, must: bool) -> str:
    if verdict is None:
        return "<td class=none>"
    how = "fail" if wrong else verdict["verdict"]
    said = html.escape(f"{name} {verdict['title']}: {verdict['said']}", quote=True)
    return f"<td class='{how}{' must' if must else ''}' title=\"{said}\">{MARKS[how]}"


def _pairs(reports: list[dict[str, Any]]) -> str:
    if not reports:
        return ""
    return f"<section><h2>Two at once</h2>{_matrix(reports)}</section>"


def _detail(report: dict[str, Any]) -> str:
    faults = [FAULTS[name] for name in report["faults"] if name in FAULTS]
    bad = report["verdict"] in ("fail", "broken")
    how = "".join(
        f"<p><b>{fault.name} {html.escape(fault.title)}.</b> {html.escape(fault.how)}"
        + (
            f" <span class=scaled>Scaled: {html.escape(fault.scaled)}.</span>"
            if fault.scaled
            else ""
        )
        for fault in faults
    )
    verdicts = "".join(
        f"<li class={v['verdict']}><b>{v['invariant']}</b> {html.escape(v['said'])}{_evidence(v)}"
        for v in report["verdicts"]
    )
    findings = "".join(
        f"<li class={'pass' if f['ok'] else 'fail'}><b>{f['invariant']}</b> "
        f"{html.escape(f['said'])}"
        for f in report["findings"]
    )
    return (
        f"<details id='{_id(report)}'{' open' if bad else ''}><summary>"
        f"<span class='badge {report['verdict']}'>{WORDS.get(report['verdict'], '')}</span> "
        f"<b>{_names(report)}</b> {html.escape(' and '.join(f.title for f in faults))}</summary>"
        f"{how}{_said(report)}<ul class=verdicts>{verdicts}{findings}</ul>"
        f"{_timeline(report)}{_numbers(report['numbers'])}"
        f"<pre><code>{html.escape(report['replay'])}</code></pre></details>"
    )


def _said(report: dict[str, Any]) -> str:
    return f"<p class=said>{html.escape(report['said'])}" if report["verdict"] != "pass" else ""


def _evidence(verdict: dict[str, Any]) -> str:
    if len(verdict["evidence"]) < 2:
        return ""
    rows = "".join(f"<li>{html.escape(row)}" for row in verdict["evidence"])
    return f"<ol class=evidence>{rows}</ol>"


def _timeline(report: dict[str, Any]) -> str:
    """When each fault held, and when a program died, on one line each."""
    spans = report["timeline"]
    if not spans:
        return ""
    begin = min(span["from"] for span in spans) - 2_000
    ends = [span["to"] for span in spans] + [death["at_ms"] for death in report["deaths"]]
    width = max(1, max(ends) - begin + 2_000)

    def at(ms: int) -> float:
        return 100 * min(1.0, max(0.0, (ms - begin) / width))

    bars = "".join(
        f"<div class=lane><span>{html.escape(span['fault'])}</span>"
        f"<i style='left:{at(span['from']):.2f}%"
        f";width:{max(0.4, at(span['to']) - at(span['from'])):.2f}%'"
        f" title='{(span['to'] - span['from']) / 1000:.1f} s'></i></div>"
        for span in spans
    )
    dots = "".join(
        f"<u style='left:{at(death['at_ms']):.2f}%' title='{html.escape(death['name'])} ended"
        f" ({death['how']})'></u>"
        for death in report["deaths"]
    )
    deaths = f"<div class=lane><span>ended</span>{dots}</div>" if dots else ""
    return f"<div class=timeline>{bars}{deaths}</div>"


def _numbers(numbers: dict[str, Any]) -> str:
    shown = {
        NUMBERS.get(name, name): value for name, value in numbers.items() if name != "traceback"
    }
    rows = "".join(
        f"<div><dt>{html.escape(str(name))}<dd>{html.escape(str(value))}</div>"
        for name, value in shown.items()
    )
    trace = numbers.get("traceback")
    trace = f"<pre>{html.escape(trace)}</pre>" if trace else ""
    return f"<dl class=numbers>{rows}</dl>{trace}"


def _legend() -> str:
    rows = "".join(f"<div><dt>{name}<dd>{title}</div>" for name, title in TITLES.items())
    marks = (
        "<p class=legend><span class='cell pass'>✓</span> holds"
        "<span class='cell fail'>✗</span> broken"
        f"<span class='cell waived'>{NOTHING}</span> not judged"
        "<span class='cell none'>·</span> nothing to judge"
        "<span class='cell pass must'>✓</span> what the catalogue asks of this fault"
    )
    return f"{marks}<dl class=numbers>{rows}</dl>"


def _names(report: dict[str, Any]) -> str:
    return html.escape(" + ".join(report["faults"]))


def _id(report: dict[str, Any]) -> str:
    return html.escape(f"{'-'.join(report['faults'])}-{report['seed']}")
