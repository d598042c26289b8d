"""Numbers as people read them."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from predictions.pages.charts import share_bar

register = template.Library()


@register.filter
def percent(value: float | str | None) -> str:
    """Return 0.734 as 73%; a dash for nothing. What is not certain is never shown as 0% or 100%."""
    if value is None or value == "":
        return "–"
    share = 100 * float(value)
    if 0 < share < 0.5:
        return "<1%"
    if 99.5 <= share < 100:
        return ">99%"
    return f"{share:.0f}%"


@register.filter
def points(value: float | None) -> str:
    """Return a change of probability in percentage points, signed; "" for nothing, ±0 for none."""
    if value is None:
        return ""
    moved = round(100 * value)
    return f"{moved:+d}".replace("-", "−") if moved else "±0"


@register.filter
def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


@register.filter
def words(name: str) -> str:
    return name.replace("_", " ")


@register.filter
def three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


@register.filter
def bar(value: float | None) -> SafeString:
    """Return a small bar for a probability; nothing for nothing."""
    return mark_safe("") if value is None else share_bar(value)


@register.filter
def interval(entry: dict[str, Any] | None) -> str:
    """Return {value, low, high} as 0.812 (0.764–0.851)."""
    if not entry or entry.get("value") is None:
        return "–"
    if entry.get("low") is None:
        return three(entry["value"])
    # "to" where a bound may be negative: a dash between two minus signs cannot be read
    between = " to " if entry["low"] < 0 else "–"
    return f"{three(entry['value'])} ({three(entry['low'])}{between}{three(entry['high'])})"
