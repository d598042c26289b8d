"""How good the model in use is, as its evaluation measured it, and the versions beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from predictions.models import ModelVersion
from predictions.pages.charts import calibration_plot, interval_plot

HEADS = {
    "risk": "Year ends off track",
    "attendance": "Absent a tenth of the next 8 weeks",
    "behavior": "Suspended within 8 weeks",
    "course": "Below passing in a core course within 8 weeks",
}
NAMES = {
    "network": "Neural network",
    "logistic": "Logistic regression",
    "persistence": "Persistence",
    "rule": "Plain rule",
    "boosting": "Gradient boosting",
}
SUBSETS = {
    "not_yet_flagged": "Students the plain rule did not flag",
    "never_seen_in_training": "Students never seen in training",
}


@dataclass(frozen=True)
class Head:
    """One event that the model predicts, with everything measured of it."""

    key: str
    name: str
    unfitted: str
    rows: list[tuple[str, dict[str, Any]]]
    differences: list[tuple[str, dict[str, Any]]]
    weeks: list[dict[str, Any]]
    chart: str


@dataclass(frozen=True)
class Row:
    """One version with the figures that tell it from another."""

    version: ModelVersion
    auroc: dict[str, Any] | None
    recall: dict[str, Any] | None
    years: str


def model_context() -> dict[str, Any]:
    """Return the live version's report and the twenty latest versions. Two queries."""
    live = ModelVersion.objects.live()
    versions = list(ModelVersion.objects.order_by("-created_at")[:20])
    report = live.metrics if live else {}
    bands = [band for band in report.get("bands", []) if band.get("n")]
    bins = [(b["expected"], b["observed"], b["n"]) for b in report.get("calibration", [])] or [
        (b["expected"], b["observed"], b["n"]) for b in bands
    ]
    return {
        "live": live,
        "report": report,
        "heads": [head_of(key, entry) for key, entry in ordered(report.get("heads", {}))],
        "bands": report.get("bands", []),
        "bins": bins,
        "binned": bool(report.get("calibration")),
        "calibration_chart": calibration_plot(
            "Expected against observed share of students off track; the table holds the same figures", bins
        ),
        "subsets": [(SUBSETS.get(name, name), entry) for name, entry in report.get("subsets", {}).items()],
        "versions": [row_of(version) for version in versions],
        "waiting": [v for v in versions if v.status == ModelVersion.Status.CANDIDATE],
        "may_go_back": any(v.status == ModelVersion.Status.RETIRED for v in versions),
    }


def ordered(heads: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the heads with the year's end first: a JSON column keeps no order of its own."""
    places = {key: place for place, key in enumerate(HEADS)}
    return sorted(heads.items(), key=lambda pair: places.get(pair[0], len(places)))


def head_of(key: str, entry: dict[str, Any]) -> Head:
    headline = entry.get("headline", {})
    models = sorted_models(headline.get("models", {}))
    shown = [
        (NAMES.get(name, name), m["auroc"]["value"], m["auroc"]["low"], m["auroc"]["high"])
        for name, m in models
        if m["auroc"]["value"] is not None and m["auroc"]["low"] is not None
    ]
    low = min((bottom for *_, bottom, _ in shown), default=0.5)
    return Head(
        key=key,
        name=HEADS.get(key, key),
        unfitted=entry.get("unfitted", ""),
        rows=[(NAMES.get(name, name), m) for name, m in models],
        differences=[
            (NAMES.get(name, name), gap) for name, gap in sorted_models(headline.get("differences", {}))
        ],
        weeks=[
            {**week, "models": [(NAMES.get(n, n), m) for n, m in sorted_models(week.get("models", {}))]}
            for week in entry.get("weeks", [])
        ],
        chart=interval_plot(
            f"{HEADS.get(key, key)}: discrimination of each model with its 95 percent interval",
            shown,
            low=0.5 if low >= 0.5 else int(low * 10) / 10,
            high=1.0,
        ),
    )


def sorted_models(models: dict[str, Any]) -> list[tuple[str, Any]]:
    places = {name: place for place, name in enumerate(NAMES)}
    return sorted(models.items(), key=lambda pair: places.get(pair[0], len(places)))


def row_of(version: ModelVersion) -> Row:
    models = (
        version.metrics.get("heads", {}).get("risk", {}).get("headline", {}).get("models", {})
        if version.metrics
        else {}
    )
    own = models.get(version.ranking, {})
    return Row(
        version=version,
        auroc=own.get("auroc"),
        recall=own.get("recall_at_k"),
        years=", ".join(str(year) for year in version.trained_years),
    )
