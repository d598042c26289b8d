"""Charts as SVG, drawn on the server: nothing to load, nothing that a screen reader cannot pass over.

Every chart stands beside a table or a list with the same figures. Sizes are in the units of the viewBox;
the stylesheet raises the text's size on narrow screens, where the whole picture shrinks.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 200, 52, 14, 14, 30
GAP = dt.timedelta(days=21)  # a line does not bridge a summer
NOTHING = mark_safe("")


@dataclass(frozen=True)
class Point:
    """One dated value; low and high are the ends of its interval, where it has one."""

    day: dt.date
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Zone:
    """A range of values with a name, shaded behind the line."""

    low: float
    high: float
    name: str


@dataclass(frozen=True)
class Axes:
    """Where dates and values fall in the picture."""

    first: dt.date
    last: dt.date
    top: float
    unit: str = ""

    def x(self, day: dt.date) -> float:
        span = max((self.last - self.first).days, 1)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (day - self.first).days / span, 1)

    def y(self, value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(0.0, min(value, self.top)) / self.top), 1)

    def month_ticks(self) -> list[tuple[dt.date, str]]:
        """Return the first days of the months shown, thinned to at most eight; else both ends."""
        months, day = [], self.first.replace(day=1)
        while day <= self.last:
            if day >= self.first:
                months.append(day)
            day = (day + dt.timedelta(days=32)).replace(day=1)
        if len(months) < 2:
            return [(day, f"{day:%b} {day.day}") for day in dict.fromkeys((self.first, self.last))]
        step = -(-len(months) // 8)
        return [(day, f"{day:%b}") for day in months[::step]]

    def frame(self, title: str, inner: SafeString, ticks: Sequence[float] = ()) -> SafeString:
        values = format_html_join(
            "",
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick" x="{}" y="{}">{}</text>',
            (
                (LEFT, WIDTH - RIGHT, self.y(v), self.y(v), LEFT - 8, self.y(v) + 4, f"{v:g}{self.unit}")
                for v in ticks or (0, self.top / 2, self.top)
            ),
        )
        dates = format_html_join(
            "",
            '<text class="tick {}" x="{}" y="{}">{}</text>',
            (
                ("end" if self.x(day) > WIDTH - 60 else "start", self.x(day), HEIGHT - 8, text)
                for day, text in self.month_ticks()
            ),
        )
        return svg(title, WIDTH, HEIGHT, values + inner + dates)

    def marks(self, days: Iterable[tuple[dt.date, str]]) -> SafeString:
        """Draw a numbered upright line for each dated event inside the picture."""
        return format_html_join(
            "",
            '<g class="mark"><line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}">{}</text>'
            "<title>{}</title></g>",
            (
                (
                    self.x(day),
                    self.x(day),
                    TOP,
                    HEIGHT - BOTTOM,
                    min(self.x(day) + 3, WIDTH - 12),
                    TOP + 9,
                    number,
                    text,
                )
                for number, (day, text) in enumerate(days, start=1)
                if self.first <= day <= self.last
            ),
        )


def svg(title: str, width: float, height: float, inner: SafeString, kind: str = "") -> SafeString:
    """Wrap shapes in a picture that is announced by its title and scales with its column."""
    return format_html(
        '<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        kind,
        width,
        height,
        title,
        inner,
    )


def line_chart(
    title: str,
    points: Sequence[Point],
    *,
    top: float = 100,
    unit: str = "%",
    zones: Sequence[Zone] = (),
    marks: Sequence[tuple[dt.date, str]] = (),
    limit: tuple[float, str] | None = None,
) -> SafeString:
    """Draw values over time, with the band of their intervals where they have one.

    Args:
        title: what the picture shows, in words.
        points: in the order of their days.
        top: the value at the upper edge; the lower is 0.
        unit: written after the values of the scale.
        zones: ranges shaded behind the line.
        marks: (day, text) of what was done, drawn as numbered lines.
        limit: (value, name) drawn as a dashed line.
    """
    if not points:
        return NOTHING
    axes = Axes(points[0].day, points[-1].day, top, unit)
    back = format_html_join(
        "",
        '<rect class="zone {}" x="{}" y="{}" width="{}" height="{}"/>',
        (
            (z.name, LEFT, axes.y(z.high), WIDTH - LEFT - RIGHT, round(axes.y(z.low) - axes.y(z.high), 1))
            for z in zones
        ),
    )
    drawn = NOTHING
    for part in _unbroken(points):
        sure = [p for p in part if p.low is not None and p.high is not None]
        edge = [(p.day, p.high or 0) for p in sure] + [(p.day, p.low or 0) for p in reversed(sure)]
        if len(sure) > 1:
            drawn += format_html('<polygon class="band" points="{}"/>', _path(axes, edge))
        drawn += format_html(
            '<polyline class="line" points="{}"/>', _path(axes, [(p.day, p.value) for p in part])
        )
    dots = format_html_join(
        "",
        '<circle class="dot" cx="{}" cy="{}" r="{}"><title>{}</title></circle>',
        (
            (axes.x(p.day), axes.y(p.value), 5 if p is points[-1] else 3, f"{p.day}: {p.value:.0f}{unit}")
            for p in points
        ),
    )
    cut = NOTHING
    if limit is not None:
        at = axes.y(limit[0])
        cut = format_html(
            '<line class="limit" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick start" x="{}" y="{}">{}</text>',
            *(LEFT, WIDTH - RIGHT, at, at, LEFT + 4, at - 4, limit[1]),
        )
    return axes.frame(title, back + drawn + dots + cut + axes.marks(marks))


def bar_chart(
    title: str,
    points: Sequence[Point],
    *,
    top: float,
    unit: str = "",
    ticks: Sequence[float] = (),
    marks: Sequence[tuple[dt.date, str]] = (),
) -> SafeString:
    """Draw one bar a week, each standing on its Monday."""
    if not points:
        return NOTHING
    axes = Axes(points[0].day, points[-1].day + dt.timedelta(days=6), top, unit)
    weeks = max((axes.last - axes.first).days / 7, 1)
    width = round(max(2.0, (WIDTH - LEFT - RIGHT) / weeks * 0.72), 1)
    base = axes.y(0)
    bars = format_html_join(
        "",
        '<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
        (
            (
                axes.x(p.day),
                axes.y(p.value),
                width,
                round(base - axes.y(p.value), 1),
                f"Week of {p.day}: {p.value:g}{unit}",
            )
            for p in points
        ),
    )
    return axes.frame(title, bars + axes.marks(marks), ticks)


def spark(title: str, points: Sequence[Point], *, limit: float) -> SafeString:
    """Draw one course's weeks small, of 100, with the pass mark as a dashed line."""
    if not points:
        return NOTHING
    width, height = 220, 44
    first = points[0].day
    span = max((points[-1].day - first).days, 1)

    def at(point: Point) -> tuple[float, float]:
        x = 4 + (width - 10) * (point.day - first).days / span
        return round(x, 1), round(4 + (height - 8) * (1 - min(point.value, 100) / 100), 1)

    cut = round(4 + (height - 8) * (1 - limit / 100), 1)
    last = at(points[-1])
    inner = format_html(
        '<line class="limit" x1="2" x2="{}" y1="{}" y2="{}"/><polyline class="line" points="{}"/>'
        '<circle class="dot" cx="{}" cy="{}" r="3.5"/>',
        *(width - 2, cut, cut, " ".join(f"{x},{y}" for x, y in map(at, points)), *last),
    )
    return svg(title, width, height, inner, "spark")


def day_strip(title: str, weeks: Sequence[tuple[dt.date, Sequence[tuple[str, str]]]]) -> SafeString:
    """Draw a calendar: a column a week, a square a school day, from Monday down.

    Args:
        title: what the picture shows, in words.
        weeks: (Monday, five of (state, text)); the state is a class of the stylesheet, "" for no square.
    """
    if not weeks:
        return NOTHING
    side, head, left = 18, 24, 30
    places: list[float] = []
    for n, (monday, _) in enumerate(weeks):
        # A holiday of weeks, or the summer, leaves a narrow gap.
        gap = n > 0 and (monday - weeks[n - 1][0]).days > 7
        places.append((places[-1] + side + (8 if gap else 0)) if n else left)
    cells = format_html_join(
        "",
        '<rect class="day {}" x="{}" y="{}" width="15" height="15" rx="2.5"><title>{}</title></rect>',
        (
            (state, x, head + side * row, text)
            for x, (_, days) in zip(places, weeks, strict=True)
            for row, (state, text) in enumerate(days)
            if state
        ),
    )
    # A cross, so that an absence does not hang on seeing the color.
    crosses = format_html_join(
        "",
        '<path class="cross" d="M{} {}l7 7m0 -7l-7 7"/>',
        (
            (x + 4, head + side * row + 4)
            for x, (_, days) in zip(places, weeks, strict=True)
            for row, (state, _) in enumerate(days)
            if state in ("unexcused", "absent", "excused")
        ),
    )
    names = format_html_join(
        "",
        '<text class="tick" x="{}" y="{}">{}</text>',
        ((left - 6, head + side * row + 12, name) for row, name in ((0, "M"), (2, "W"), (4, "F"))),
    )
    months: list[tuple[float, str]] = []
    for x, (monday, _) in zip(places, weeks, strict=True):
        name = f"{monday:%b}"
        if not months or (months[-1][1] != name and x - months[-1][0] >= 2 * side):
            months.append((x, name))
    heads = format_html_join("", '<text class="tick start" x="{}" y="14">{}</text>', months)
    width = max(places[-1] + side + 4, 340)
    return svg(title, width, head + side * 5 + 2, heads + names + cells + crosses, "days")


def share_bar(value: float) -> SafeString:
    """Draw a probability as a small bar; the figure stands beside it, so a screen reader passes over."""
    return format_html(
        '<svg class="share" viewBox="0 0 60 6" aria-hidden="true"><rect class="rail" width="60" height="6" rx="3"/>'
        '<rect class="fill" width="{}" height="6" rx="3"/></svg>',
        round(60 * max(0.0, min(value, 1.0)), 1),
    )


def push_bar(contribution: float, largest: float) -> SafeString:
    """Draw how far a reason moved the score: to the right up, to the left down; words say the same."""
    length = round(58 * abs(contribution) / max(largest, 1e-9), 1)
    return format_html(
        '<svg class="push" viewBox="0 0 120 8" aria-hidden="true"><line class="grid" x1="60" x2="60" y1="0" y2="8"/>'
        '<rect class="{}" x="{}" y="1" width="{}" height="6" rx="2"/></svg>',
        "up" if contribution > 0 else "down",
        60 if contribution > 0 else 60 - length,
        length,
    )


def calibration_plot(title: str, points: Sequence[tuple[float, float, int]]) -> SafeString:
    """Draw expected against observed shares; on the diagonal a score means what it says.

    Args:
        title: what the picture shows, in words.
        points: (mean score, share that went off track, number of rows).
    """
    if not points:
        return NOTHING
    size, left, base = 300, 44, 262

    def x(value: float) -> float:
        return round(left + (size - left - 12) * value, 1)

    def y(value: float) -> float:
        return round(base - (base - 12) * value, 1)

    ticks = format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick" x="{}" y="{}">{}%</text>'
        '<text class="tick mid" x="{}" y="{}">{}%</text>',
        (
            (x(0), x(1), y(v), y(v), left - 6, y(v) + 4, round(100 * v), x(v), base + 16, round(100 * v))
            for v in (0.0, 0.5, 1.0)
        ),
    )
    dots = format_html_join(
        "",
        '<circle class="dot" cx="{}" cy="{}" r="5"><title>{}</title></circle>',
        ((x(e), y(o), f"expected {e:.0%}, observed {o:.0%}, {n} rows") for e, o, n in points),
    )
    inner = format_html(
        '{}<line class="limit" x1="{}" y1="{}" x2="{}" y2="{}"/>{}<text class="tick mid" x="{}" y="{}">expected</text>',
        *(ticks, x(0), y(0), x(1), y(1), dots, x(0.5), base + 34),
    )
    return svg(title, size, 302, inner, "square")


def interval_plot(
    title: str, rows: Sequence[tuple[str, float, float, float]], *, low: float, high: float
) -> SafeString:
    """Draw a value with its interval for each name, on one scale from `low` to `high`."""
    if not rows:
        return NOTHING
    left, step = 130, 30
    height = 12 + step * len(rows) + 24

    def x(value: float) -> float:
        share = (max(low, min(value, high)) - low) / max(high - low, 1e-9)
        return round(left + (WIDTH - left - 30) * share, 1)

    ticks = format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="6" y2="{}"/><text class="tick mid" x="{}" y="{}">{}</text>',
        ((x(v), x(v), height - 22, x(v), height - 6, f"{v:.2f}") for v in (low, (low + high) / 2, high)),
    )
    lines = format_html_join(
        "",
        '<text class="name" x="{}" y="{}">{}</text><line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<circle class="dot" cx="{}" cy="{}" r="5"><title>{}</title></circle>',
        (
            (
                *(left - 12, 12 + step * i + 18, name),
                *(x(bottom), x(top), 12 + step * i + 14, 12 + step * i + 14),
                *(x(value), 12 + step * i + 14, f"{name}: {value:.3f} ({bottom:.3f} to {top:.3f})"),
            )
            for i, (name, value, bottom, top) in enumerate(rows)
        ),
    )
    return svg(title, WIDTH, height, ticks + lines, "intervals")


def _path(axes: Axes, edge: Iterable[tuple[dt.date, float]]) -> str:
    return " ".join(f"{axes.x(day)},{axes.y(value)}" for day, value in edge)


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    parts: list[list[Point]] = [[points[0]]]
    for before, point in itertools.pairwise(points):
        if point.day - before.day > GAP:
            parts.append([])
        parts[-1].append(point)
    return parts
