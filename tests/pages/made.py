"""A live model and its predictions, saved without training: what the pages read, not how it came about."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User

from predictions.models import ModelVersion, Prediction, ScoringRun
from students.models import School, Student
from tests.factories import CaseloadFactory, EnrollmentFactory, StudentFactory

TODAY = dt.date(2026, 2, 11)  # a Wednesday
CLOSE = dt.date(2026, 2, 8)  # the Sunday before
BANDS = [
    {"level": "low", "from": 0.0, "to": 0.2, "n": 700, "expected": 0.08, "observed": 0.09},
    {"level": "moderate", "from": 0.2, "to": 0.5, "n": 200, "expected": 0.31, "observed": 0.29},
    {"level": "high", "from": 0.5, "to": 1.0, "n": 100, "expected": 0.68, "observed": 0.64},
]
FACTORS = [
    {
        "domain": "attendance",
        "feature": "absence_rate_4w",
        "value": 0.3,
        "typical": 0.05,
        "contribution": 0.8,
        "direction": "raises",
        "text": "Missed 6 of the last 20 school days; missed 1 of the 20 before.",
    },
    {
        "domain": "grades",
        "feature": "missing_open",
        "value": 0.0,
        "typical": 2.0,
        "contribution": -0.2,
        "direction": "lowers",
        "text": "0 pieces of work due this year not in (0 due in the last 28 days), of 30.",
    },
]


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def report() -> dict[str, Any]:
    """Return an evaluation report of the shape that training stores."""
    model = {"auroc": interval(0.81), "average_precision": interval(0.52), "recall_at_k": interval(0.6)}
    week = {
        "auroc": interval(0.79),
        "average_precision": interval(0.5),
        "calibration_error": 0.031,
        "calibration_floor": 0.028,
        "calibrated": True,
        "expected": 0.2,
        "observed": 0.21,
        "recall_at_k": 0.58,
    }
    rule = {"auroc": interval(0.7), "average_precision": interval(0.4), "recall_at_k": interval(0.55)}
    return {
        "why": "no simpler model is better beyond the noise",
        "split": "trained on 2 years, calibrated on the next, tested on the last",
        "figures_describe": "the model fitted without the last year, tested on the last year",
        "students": {"trained": 900, "calibrated": 450, "tested": 460},
        "bands": BANDS,
        "calibration": [{"expected": e / 10, "observed": e / 10 + 0.02, "n": 100} for e in range(10)],
        "subsets": {"not_yet_flagged": {"n": 380, "events": 41, "auroc": 0.74}},
        "heads": {
            "behavior": {"unfitted": "fewer than 50 students with the event"},
            "risk": {
                "headline": {
                    "models": {"rule": rule, "network": model, "logistic": model},
                    "differences": {"rule": {"auroc": interval(0.11), "recall_at_k": interval(0.02)}},
                },
                "weeks": [
                    {"week": 8, "n": 460, "events": 92, "rule_flags": 80, "models": {"network": week}},
                    {"week": 30, "n": 12, "events": 0, "models": {}},
                ],
            },
        },
    }


def live_model(**changes: Any) -> ModelVersion:
    """Save a model in use, with a whole scoring of the two last weeks."""
    fields: dict[str, Any] = {
        "version": "2026-01-04-abc123",
        "status": "live",
        "ranking": "network",
        "artifact": "models/none.safetensors",
        "artifact_sha256": "0" * 64,
        "feature_version": "f1",
        "schema": {},
        "config": {},
        "label_definition": "any-10-60",
        "as_of": dt.date(2026, 1, 4),
        "trained_years": ["2023-24", "2024-25"],
        "metrics": report(),
    }
    made = ModelVersion.objects.create(**{**fields, **changes})
    for week in (CLOSE - dt.timedelta(days=7), CLOSE):
        ScoringRun.objects.create(model=made, as_of=TODAY, window_end=week, state="done", scored=4)
    return made


def predict(model: ModelVersion, student: Student, risk: float | None, **changes: Any) -> Prediction:
    """Save a prediction of `risk` at the close of the week; None: not enough data."""
    level = "" if risk is None else "high" if risk >= 0.5 else "moderate" if risk >= 0.2 else "low"
    fields: dict[str, Any] = {
        "as_of": TODAY,
        "window_end": CLOSE,
        "feature_version": "f1",
        "inputs_hash": "0123456789abcdef",
        "enough_data": risk is not None,
        "risk_score": risk,
        "rank_score": risk,
        "risk_level": level,
    }
    if risk is not None:
        fields |= {
            "confidence_low": max(risk - 0.1, 0),
            "confidence_high": min(risk + 0.1, 1),
            "attendance_score": risk,
            "behavior_score": 0.03,
            "course_score": risk / 2,
            "factors": FACTORS,
            "weeks": [
                {"week": str(CLOSE - dt.timedelta(days=6 + 7 * n)), "attention": 0.25} for n in (3, 2, 1, 0)
            ],
        }
    return Prediction.objects.create(model=model, student=student, **{**fields, **changes})


def add_students(counselor: User | None, school: School, model: ModelVersion, count: int) -> list[Student]:
    """Save scored students of one school, on the counselor's caseload if one is given."""
    made = []
    for n in range(count):
        student: Student = StudentFactory(first_name="Many", last_name=f"Pupil{n:04d}", district_id=f"M-{n}")
        EnrollmentFactory(student=student, school=school, grade_level=str(9 + n % 4))
        if counselor is not None:
            CaseloadFactory(counselor=counselor, student=student)
        predict(model, student, round(0.02 + 0.9 * n / count, 4))
        made.append(student)
    return made
