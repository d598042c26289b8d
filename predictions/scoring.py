"""The week's scores for everybody enrolled, in parts that a restart does not repeat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from features.models import CohortWeek
from predictions.models import Prediction, ScoringRun
from predictions.reasons import ensure_factors
from predictions.serving import NoLiveModel, closed_window, live_model, predict_many
from students.models import Caseload, District, Student

Progress = Callable[[float, str], None]
CHUNK = 1_000


class CannotScore(ValueError):
    """The week cannot be scored; the message says why."""


def score(
    run: ScoringRun, on_progress: Progress | None = None, *, today: dt.date | None = None
) -> ScoringRun:
    """Score everybody enrolled at the close of the last week before the run's day, then explain the flagged.

    A run may be repeated at any time: what is stored stays, what its records changed is superseded.

    Args:
        run: its `as_of` is the day asked about, its `student_ids` (where given) the only students.
        on_progress: told the share done and the stage.
        today: the day that counts as now, the run's own where not given; a week before the latest one
            closed by then is answered in retrospect.

    Raises:
        CannotScore: no live model, no features, or the run was taken by another process.
    """
    if not run.claim():
        raise CannotScore(f"this scoring is already {run.get_state_display().lower()}")

    def say(share: float, stage: str) -> None:
        run.advance(share, stage)
        if on_progress is not None:
            on_progress(share, stage)

    try:
        with run.kept():
            _score(run, say, today or run.as_of)
    except (NoLiveModel, ValueError) as error:
        raise CannotScore(str(error)) from error
    return run


def _score(run: ScoringRun, say: Progress, today: dt.date) -> None:
    run.model = live_model()
    run.window_end, retrospective = closed_window(run.as_of, today)
    # Taken up after another process died: counted anew.
    run.scored = run.without_enough_data = 0
    run.save(update_fields=["model", "window_end", "scored", "without_enough_data"])
    if not CohortWeek.objects.filter(week_end__lte=run.window_end).exists():
        raise CannotScore(
            f"nobody has a weekly row by {run.window_end}; import records and run extract_features first"
        )
    students = students_at(run.window_end)
    if run.student_ids is not None:
        wanted = set(run.student_ids)
        students = [pk for pk in students if pk in wanted]
    for begin in range(0, len(students), CHUNK):
        say(0.8 * begin / len(students), f"scored {begin:,} of {len(students):,} students")
        made = predict_many(students[begin : begin + CHUNK], run.as_of, today=today, model=run.model, run=run)
        run.scored += sum(p.enough_data for p in made)
        run.without_enough_data += sum(not p.enough_data for p in made)
        run.save(update_fields=["scored", "without_enough_data"])
    if retrospective:
        return
    say(0.8, "reasons for the flagged")
    flagged = flagged_predictions(run.window_end, run.as_of)
    for begin in range(0, len(flagged), CHUNK):
        ensure_factors(flagged[begin : begin + CHUNK])
        say(0.8 + 0.2 * begin / len(flagged), f"reasons for {begin:,} of {len(flagged):,} flagged students")


def students_at(window_end: dt.date) -> list[int]:
    """Return the students enrolled on `window_end`; in the summer that may be nobody."""
    return list(Student.objects.enrolled_on(window_end).order_by("pk").values_list("pk", flat=True))


def flagged_predictions(window_end: dt.date, day: dt.date) -> list[Prediction]:
    """Return the predictions that a counselor will look at first: each one's capacity, and all high ones."""
    capacity = District.current().flags_per_counselor
    served = (
        Prediction.objects.served()
        .filter(window_end=window_end, superseded_at__isnull=True, enough_data=True)
        .select_related("student", "model")
        .order_by("-rank_score")
    )
    by_student = {p.student_id: p for p in served}
    taken: dict[int, int] = {}
    flagged = {p.pk: p for p in by_student.values() if p.risk_level == Prediction.Level.HIGH}
    pairs = dict[int, list[int]]()
    for counselor, student in Caseload.objects.on(day).values_list("counselor_id", "student_id"):
        pairs.setdefault(student, []).append(counselor)
    for student, prediction in by_student.items():
        for counselor in pairs.get(student, []):
            if taken.get(counselor, 0) < capacity:
                taken[counselor] = taken.get(counselor, 0) + 1
                flagged[prediction.pk] = prediction
    return [p for p in flagged.values() if p.factors is None]
