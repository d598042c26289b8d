"""What a new model must pass before it may go live without a person.

Whether network, logistic regression or rule orders the caseload is settled before, by the evaluation:
a network that does worse than the rule already ranks by the rule.
"""

from __future__ import annotations

from mlcore.protocol import Bundle
from predictions.models import ModelVersion


def hold_reason(bundle: Bundle, live: ModelVersion | None) -> str:
    """Return why a new model must wait for a person, or "" where it may go live at once.

    The first version goes live, and the first that could learn replaces one that only runs the rule.
    """
    if live is None:
        return ""
    if live.ranking == ModelVersion.Ranking.RULE and bundle.network is not None and not learned(live):
        return ""
    if bundle.network is None:
        return f"It runs on the plain rule alone: {bundle.why}. Version {live.version} is in use."
    return (
        f"Version {live.version} is in use ({told(live.metrics)}); this one has {told(bundle.report)}. "
        "Each was tested on its own last year, so look at both before you promote one."
    )


def learned(model: ModelVersion) -> bool:
    """Tell whether a version holds more than the rule."""
    return bool(model.metrics.get("heads"))


def told(report: dict) -> str:
    """Return a report's headline in a few words."""
    ranking = report.get("ranking", "rule")
    models = report.get("heads", {}).get("risk", {}).get("headline", {}).get("models", {})
    area = models.get(ranking, {}).get("auroc", {}).get("value")
    return f"ranked by {ranking}" + ("" if area is None else f", AUROC {area:.3f}")
