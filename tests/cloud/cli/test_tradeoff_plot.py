"""The picture: well-formed, a panel each, readable on light and dark, no line outside its panel."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cloud.cli.tradeoff_plot import LINES, tradeoff_svg
from cloud.core.forecasts.gates import Result
from cloud.core.forecasts.replaying import Curve

SVG = "{http://www.w3.org/2000/svg}"


def _result(name: str = "made", lead_time: int = 1, top: float = 0.99) -> Result:
    fill = np.linspace(0.4, top, 12)
    curves = {
        method: Curve(stock=np.linspace(1, 20, 12) * (1 + at), value_fill=fill, line_fill=fill)
        for at, method in enumerate(LINES)
    }
    return Result(
        name=name,
        lead_time=lead_time,
        stock=dict.fromkeys(LINES, (60.0, float("nan"), 9.0, 12.0)),
        curves=curves,
        achieved={},
        forward_ratios=(),
        achieved_apart={},
    )


def test_each_set_and_lead_time_has_a_panel_with_each_method() -> None:
    results = [_result(name, lead) for name in ("a", "b<c") for lead in (1, 3)]
    root = ET.fromstring(tradeoff_svg(results))
    frames = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "frame"]
    assert len(frames) == 4
    lines = [p for p in root.iter(f"{SVG}path") if (p.get("class") or "").startswith("line")]
    assert len(lines) == len(LINES) * 4 + len(LINES)
    assert any(text.text == "b<c, lead time 3" for text in root.iter(f"{SVG}text"))


def test_it_has_a_title_and_colours_for_the_dark() -> None:
    svg = tradeoff_svg([_result()])
    assert "<title" in svg
    assert "prefers-color-scheme: dark" in svg
    assert "nan" not in svg


@pytest.mark.parametrize("top", [0.99, 0.7])
def test_no_line_leaves_its_panel(top: float) -> None:
    root = ET.fromstring(tradeoff_svg([_result(top=top)]))
    frame = next(r for r in root.iter(f"{SVG}rect") if r.get("class") == "frame")
    x, y, w, h = (float(frame.get(k, "")) for k in ("x", "y", "width", "height"))
    for path in root.iter(f"{SVG}path"):
        if (path.get("class") or "").startswith("line") and "L" in path.get("d", ""):
            numbers = [float(n) for n in re.findall(r"[\d.]+", path.get("d", ""))]
            assert all(x - 0.1 <= at <= x + w + 0.1 for at in numbers[::2])
            assert all(y - 0.1 <= at <= y + h + 0.1 for at in numbers[1::2])
