"""Scores on request: the live model, loaded once per process, and predictions stored once per inputs."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from features.models import CohortWeek, ExtractionState
from features.windows import student_weeks
from predictions.models import ModelVersion, Prediction, ScoringRun
from students.models import District, Student

if TYPE_CHECKING:
    from mlcore.data import StudentWeeks
    from mlcore.predictor import Predictor, Scores

BATCH = 1_000
LONGEST_BREAK = dt.timedelta(weeks=20)  # between two school weeks of one school
HEAD_FIELDS = ("attendance_score", "behavior_score", "course_score", "risk_score")
_loaded: dict[str, Predictor] = {}
_lock = threading.Lock()


class NoLiveModel(LookupError):
    """No model version is in use yet."""

    def __init__(self) -> None:
        super().__init__("no model is in use yet; run train, or promote a version")


def live_model() -> ModelVersion:
    model = ModelVersion.objects.live()
    if model is None:
        raise NoLiveModel
    return model


def predictor_for(model: ModelVersion) -> Predictor:
    """Return a version's predictor, loaded on first use; when another goes live the old one is let go."""
    found = _loaded.get(model.version)
    if found is not None:
        return found
    from mlcore.predictor import Predictor  # loads torch, which a process without scores never needs

    with _lock:
        if model.version not in _loaded:
            _loaded.clear()
            with checkpoint_file(model) as path:
                _loaded[model.version] = Predictor.load(path, settings.MODEL_DEVICE)
        return _loaded[model.version]


@contextmanager
def checkpoint_file(model: ModelVersion) -> Iterator[Path]:
    """Give a version's checkpoint as a local file; one that lies in a remote storage is fetched."""
    try:
        yield Path(model.artifact.storage.path(str(model.artifact.name)))
    except NotImplementedError:  # object storages have no paths
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(str(model.artifact.name)).name
            with model.artifact.open("rb") as remote:
                path.write_bytes(remote.read())
            yield path


def check_model() -> str:
    """Say for `ready` what keeps this process from scoring, or ""."""
    model = ModelVersion.objects.live()
    if model is None:
        return "no model is in use"
    try:
        predictor_for(model)
    except (ValueError, RuntimeError, OSError) as error:
        return str(error)
    return ""


def closed_window(as_of: dt.date, today: dt.date) -> tuple[dt.date, bool]:
    """Return the Sunday whose rows a prediction for `as_of` reads, and whether that looks back.

    A week that has closed but whose features are not computed yet does not count as closed: a score
    must not carry a date whose records it never saw.

    Raises:
        ValueError: `as_of` lies in the future.
    """
    if as_of > today:
        raise ValueError(f"as_of {as_of} lies in the future; today is {today}")
    district = District.current()
    latest = district.last_closed_week(today)
    state = ExtractionState.objects.filter(pk=1).first()
    if state is not None and state.computed_through is not None:
        latest = min(latest, state.computed_through)
    window_end = min(district.last_closed_week(as_of), latest)
    return window_end, window_end < latest


def inputs_hashes(weeks: StudentWeeks, rows: np.ndarray) -> list[str]:
    """Return a short hash of each window's own values and masks: the same inputs, the same hash.

    What is usual in the school and grade stays out: one late record of one student would otherwise give
    a new prediction to everybody in the grade, night after night.
    """
    hashes = []
    for begin, end in zip(weeks.window_start[rows], rows, strict=True):
        digest = hashlib.blake2b(weeks.values[begin : end + 1].tobytes(), digest_size=8)
        digest.update(weeks.week_number[begin : end + 1].tobytes())
        digest.update(weeks.present[begin : end + 1].tobytes())
        hashes.append(digest.hexdigest())
    return hashes


def predict_many(
    students: Sequence[int],
    as_of: dt.date,
    *,
    today: dt.date,
    model: ModelVersion | None = None,
    run: ScoringRun | None = None,
) -> list[Prediction]:
    """Score students at the close of the last week before `as_of`, store and return their predictions.

    Students who are not enrolled then get none. The same student, window, model and inputs give the
    stored prediction; changed inputs of a served week supersede it. A week before the latest closed one
    is answered in retrospect and never served.

    Args:
        students: primary keys.
        as_of: the day asked about.
        today: the day that counts as now.
        model: the live one where not given.
        run: the scoring run that asks, if one does.

    Raises:
        NoLiveModel, ValueError (future day), SchemaMismatch.
    """
    model = model or live_model()
    window_end, retrospective = closed_window(as_of, today)
    found: list[Prediction] = []
    for begin in range(0, len(students), BATCH):
        found += _predict_batch(
            list(students[begin : begin + BATCH]), as_of, window_end, model, run, retrospective
        )
    return found


def _predict_batch(
    students: list[int],
    as_of: dt.date,
    window_end: dt.date,
    model: ModelVersion,
    run: ScoringRun | None,
    retrospective: bool,
) -> list[Prediction]:
    weeks, facts = student_weeks(window_end, students)
    if not len(weeks):
        return []
    predictor = predictor_for(model)
    weeks = weeks.select(predictor.schema.names)
    last = standing_rows(weeks, facts, students, window_end)
    if not len(last):
        return []
    scores = predictor.predict(weeks, last)
    hashes = inputs_hashes(weeks, last)
    made = [
        _prediction(weeks, facts, scores, at, row, hashes[at], as_of, window_end, model, run, retrospective)
        for at, row in enumerate(last.tolist())
    ]
    return _store(made, students, window_end, model, retrospective)


def standing_rows(
    weeks: StudentWeeks, facts: pl.DataFrame, students: Sequence[int], window_end: dt.date
) -> np.ndarray:
    """Return the last row of every student who is enrolled on `window_end`, if it is their school's last.

    Schools break on different weeks, so what counts is the latest week that the student's own school
    held; a row older than that belongs to somebody who was away and has only just come back.
    """
    last = np.flatnonzero(np.append(weeks.student[1:] != weeks.student[:-1], True))
    held = dict(
        CohortWeek.objects.filter(week_end__lte=window_end, week_end__gt=window_end - LONGEST_BREAK)
        .order_by()
        .values("school")
        .annotate(latest=Max("week_end"))
        .values_list("school", "latest")
    )
    enrolled = set(
        Student.objects.filter(pk__in=students).enrolled_on(window_end).values_list("pk", flat=True)
    )
    schools, ends = facts["school_id"].to_numpy()[last], weeks.week_end[last]
    stands = [
        student in enrolled and held.get(school) == end
        for student, school, end in zip(
            weeks.student[last].tolist(), schools.tolist(), ends.tolist(), strict=True
        )
    ]
    return last[np.array(stands, dtype=bool)]


def _prediction(
    weeks: StudentWeeks,
    facts: pl.DataFrame,
    scores: Scores,
    at: int,
    row: int,
    digest: str,
    as_of: dt.date,
    window_end: dt.date,
    model: ModelVersion,
    run: ScoringRun | None,
    retrospective: bool,
) -> Prediction:
    from mlcore.predictor import level

    made = Prediction(
        student_id=int(weeks.student[row]),
        model=model,
        scoring_run=run,
        as_of=as_of,
        window_end=window_end,
        feature_version=model.feature_version,
        inputs_hash=digest,
        retrospective=retrospective,
        in_sample=model.saw_year(facts["school_year"][row]),
        enough_data=bool(scores.enough_data[at]),
    )
    if not made.enough_data:
        made.factors = []
        return made
    for head, name in enumerate(HEAD_FIELDS):
        value = scores.probability[at, head]
        setattr(made, name, None if np.isnan(value) else float(value))
    made.risk_level = level(made.risk_score, float(scores.rule_flags[at].sum()))
    made.rank_score = float(scores.rank[at])
    if not np.isnan(scores.low[at]) and made.risk_score is not None:
        made.confidence_low, made.confidence_high = float(scores.low[at]), float(scores.high[at])
    attention = scores.attention[at]
    start = row - len(attention) + 1
    made.weeks = [
        {
            "week": str(weeks.week_end[start + i] - np.timedelta64(6, "D")),
            "attention": round(float(share), 4),
        }
        for i, share in enumerate(attention)
    ]
    return made


def _store(
    made: list[Prediction],
    students: list[int],
    window_end: dt.date,
    model: ModelVersion,
    retrospective: bool,
) -> list[Prediction]:
    with transaction.atomic():
        Prediction.objects.bulk_create(made, ignore_conflicts=True, batch_size=500)
        stored = Prediction.objects.filter(model=model, window_end=window_end, student__in=students)
        by_inputs = {(p.student_id, p.inputs_hash): p for p in stored.select_related("student", "model")}
        found = [by_inputs[(p.student_id, p.inputs_hash)] for p in made]
        if not retrospective:
            keep = {p.pk for p in found}
            old = [
                p.pk for p in stored if p.pk not in keep and p.superseded_at is None and not p.retrospective
            ]
            if old:
                Prediction.objects.filter(pk__in=old).update(superseded_at=timezone.now())
            # An answer given in retrospect, or superseded before, may become the served one.
            again = [p for p in found if p.superseded_at is not None or p.retrospective]
            for p in again:
                p.superseded_at, p.retrospective = None, False
            Prediction.objects.bulk_update(again, ["superseded_at", "retrospective"])
    return found


def predict_one(
    student: Student, as_of: dt.date, *, today: dt.date, include_factors: bool = True
) -> Prediction | None:
    """Return one student's prediction, or None where the student was not enrolled at that week's close."""
    found = predict_many([student.pk], as_of, today=today)
    if not found:
        return None
    if include_factors:
        from predictions.reasons import ensure_factors

        ensure_factors(found)
    return found[0]


def forget_models() -> None:
    """Let go of every loaded model (tests, and after a checkpoint was replaced on disk)."""
    _loaded.clear()
