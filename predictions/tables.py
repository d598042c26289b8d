"""Evaluation reports as text."""

from __future__ import annotations

from typing import Any


def cell(entry: dict[str, float | None] | None) -> str:
    if not entry or entry["value"] is None:
        return "–"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({entry['low']:.3f}–{entry['high']:.3f})"


def comparison_table(report: dict[str, Any]) -> str:
    """Return AUROC, average precision, calibration error and recall at equal flags, week by week."""
    lines = [
        f"{'week':>5} {'n':>6} {'events':>6}  {'model':<12} {'AUROC (95 %)':<23} {'average precision':<23} "
        f"{'calibration error (floor)':<26} {'recall at rule’s flags'}"
    ]
    for entry in report["weeks"]:
        if not entry["models"]:
            lines.append(f"{entry['week']:>5} {entry['n']:>6} {entry['events']:>6}  nothing to compare")
        for name, model in entry["models"].items():
            error = model.get("calibration_error")
            calibration = "–" if error is None else f"{error:.3f} ({model['calibration_floor']:.3f})"
            if error is not None and not model["calibrated"]:
                calibration += f" exp {model['expected']:.2f} obs {model['observed']:.2f}"
            recall = model.get("recall_at_k")
            lines.append(
                f"{entry['week']:>5} {entry['n']:>6} {entry['events']:>6}  {name:<12} {cell(model['auroc']):<23} "
                f"{cell(model['average_precision']):<23} {calibration:<26} {'–' if recall is None else f'{recall:.3f}'}"
            )
    for name, model in report["headline"]["models"].items():
        lines.append(
            f" mean {'':>13}  {name:<12} {cell(model['auroc']):<23} {cell(model['average_precision']):<23} "
            f"{'':<26} {cell(model.get('recall_at_k'))}"
        )
    for name, gap in report["headline"]["differences"].items():
        lines.append(
            f" network minus {name}: AUROC {cell(gap['auroc'])}, recall {cell(gap.get('recall_at_k'))}"
        )
    return "\n".join(lines)
