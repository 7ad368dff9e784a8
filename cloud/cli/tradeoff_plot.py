"""Stock against fill as a picture: one panel per set and lead time, one line per method.

SVG, written here: no plotting library, and a picture that reads on a light page and on a dark one.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from cloud.core.forecasts.classics import SES_NORMAL
from cloud.core.forecasts.gates import FIXED, OURS, RESIZED, Result

WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 170, 56, 78, 46
FILL_FROM, FILL_TO = 0.80, 1.0
LINES = {
    FIXED: ("fixed", "6 3"),
    RESIZED: ("resized", "2 3"),
    SES_NORMAL: ("ses", ""),
    OURS: ("ours", ""),
}
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 10px } .title { font-size: 16px; font-weight: 600 }
  .frame { fill: none; stroke: #8c959f } .grid { stroke: #d0d7de; stroke-width: .6 }
  .line { fill: none; stroke-width: 1.8 } .page { fill: #ffffff }
  .fixed { stroke: #9a3412 } .resized { stroke: #8250df } .ses { stroke: #0969da }
  .ours { stroke: #116329; stroke-width: 2.6 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .frame { stroke: #6e7681 }
    .grid { stroke: #30363d } .fixed { stroke: #fb923c } .resized { stroke: #d2a8ff }
    .ses { stroke: #79c0ff } .ours { stroke: #56d364 }
  }
"""


def tradeoff_svg(results: Sequence[Result]) -> str:
    names = list(dict.fromkeys(result.name for result in results))
    leads = sorted({result.lead_time for result in results})
    width = LEFT + len(leads) * (WIDTH + GAP)
    height = TOP + len(names) * (HEIGHT + GAP) + 10
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title"',
        f' viewBox="0 0 {width} {height}">',
        '<title id="title">Mean stock, in periods of demand value, against value fill rate</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="24">',
        "Stock (periods of demand value) against value fill</text>",
        *_legend(),
    ]
    for result in results:
        x = LEFT + leads.index(result.lead_time) * (WIDTH + GAP)
        y = TOP + names.index(result.name) * (HEIGHT + GAP)
        parts += _panel(result, x, y)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    parts = []
    for at, (name, (kind, dashes)) in enumerate(LINES.items()):
        x = LEFT + at * 130
        parts.append(
            f'<path class="line {kind}" stroke-dasharray="{dashes}" d="M{x} 42h26"/>'
            f'<text x="{x + 32}" y="46">{escape(name)}</text>'
        )
    return parts


def _panel(result: Result, x: float, y: float) -> list[str]:
    top = 1.15 * max(
        (
            float(np.nanmax(result.stock[name][:2]))
            for name in (RESIZED, SES_NORMAL)
            if not np.all(np.isnan(result.stock[name][:2]))
        ),
        default=1.0,
    )
    parts = [
        f'<text x="{x}" y="{y - 5}">{escape(result.name)}, lead time {result.lead_time}</text>',
        f'<rect class="frame" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}"/>',
    ]
    for fill in (0.80, 0.85, 0.90, 0.95, 1.00):
        at = x + WIDTH * (fill - FILL_FROM) / (FILL_TO - FILL_FROM)
        parts.append(f'<path class="grid" d="M{at:.1f} {y}v{HEIGHT}"/>')
        parts.append(
            f'<text class="small" text-anchor="middle" x="{at:.1f}" y="{y + HEIGHT + 13}">'
            f"{fill:.0%}</text>"
        )
    for share in (0.25, 0.5, 0.75, 1.0):
        at = y + HEIGHT * (1 - share)
        parts.append(f'<path class="grid" d="M{x} {at:.1f}h{WIDTH}"/>')
        parts.append(
            f'<text class="small" text-anchor="end" x="{x - 4}" y="{at + 4:.1f}">'
            f"{top * share:.1f}</text>"
        )
    for name, (kind, dashes) in LINES.items():
        path = _path(result, name, top, x, y)
        if path:
            parts.append(f'<path class="line {kind}" stroke-dasharray="{dashes}" d="{path}"/>')
    return parts


def _path(result: Result, name: str, top: float, x: float, y: float) -> str:
    curve = result.curves[name]
    order = np.argsort(curve.stock)
    fill = np.maximum.accumulate(curve.value_fill[order])
    if fill[-1] <= FILL_FROM:
        return ""
    shown = np.linspace(max(FILL_FROM, fill[0]), min(FILL_TO, fill[-1]), 60)
    stock = np.interp(shown, fill, curve.stock[order])
    across = x + WIDTH * (shown - FILL_FROM) / (FILL_TO - FILL_FROM)
    down = y + HEIGHT * (1 - stock / top)
    points = [f"{at:.1f} {to:.1f}" for at, to in zip(across, down, strict=True) if to >= y]
    return "M" + "L".join(points) if len(points) > 1 else ""
