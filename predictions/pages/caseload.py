"""The caseload: whom to look at first, why, and what happened since."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    IntegerField,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, JSONObject

from predictions.models import ModelVersion, Prediction, TrainingFeedback
from predictions.pages.context import roles_of
from predictions.pages.facts import attendance_days, spoken
from students.access import COUNSELOR
from students.models import (
    Caseload,
    CourseGrade,
    DisciplineIncident,
    District,
    Enrollment,
    Intervention,
    Student,
)
from students.models.student import Grade

PAGE = 50
DONE = TrainingFeedback.Verdict.DONE
GRADE_ORDER = {value: place for place, value in enumerate(Grade.values)}


@dataclass(frozen=True)
class Filters:
    """What the person asked to see; empty: everything."""

    search: str = ""
    level: str = ""
    grade: str = ""
    school: str = ""
    open_only: bool = False

    def __bool__(self) -> bool:
        return bool(self.search or self.level or self.grade or self.school or self.open_only)

    def narrow(self, rows: QuerySet[Prediction]) -> QuerySet[Prediction]:
        wanted = Q()
        if self.search:
            for word in self.search.split():
                wanted &= Q(student__last_name__icontains=word) | Q(student__first_name__icontains=word)
            wanted |= Q(student__district_id__iexact=self.search)
        for name, value in (
            ("risk_level", self.level),
            ("grade", self.grade),
            ("school_code", self.school),
        ):
            if value:
                wanted &= Q(**{name: value})
        if self.open_only:
            wanted &= Q(done=False)
        return rows.filter(wanted)


@dataclass
class Line:
    """One student on the list. `place` is None where the list is no one person's week."""

    prediction: Prediction
    place: int | None
    change: float | None
    reason: str
    facts: list[str]
    last_action: str
    done: bool
    shared_with: list[str]


@dataclass
class Choices:
    """What the filters can be set to, and how many students there are of each level."""

    schools: list[tuple[str, str]] = field(default_factory=list)
    grades: list[tuple[str, str]] = field(default_factory=list)
    levels: dict[str, int] = field(default_factory=dict)
    total: int = 0
    done: int = 0


@dataclass
class CaseloadPage:
    """Everything the page shows, read in a fixed number of queries."""

    lines: list[Line]
    below_cut: list[Line]
    without_data: list[Student]
    model: ModelVersion | None
    window_end: dt.date | None
    choices: Choices
    total: int
    page: int
    pages: int
    own: bool
    capacity: int

    @property
    def students(self) -> list[str]:
        """Return the uuids of everybody named, for the audit."""
        named = [line.prediction.student for line in (*self.lines, *self.below_cut)]
        return [str(student.uuid) for student in (*named, *self.without_data)]


def caseload_page(
    user: Any, on: dt.date, district: District, filters: Filters | None = None, page: int = 1
) -> CaseloadPage:
    """Return one page of the students `user` answers for (or may see), the highest ranked first.

    A counselor's places, and so the cut, are those of the whole caseload: filters change who is shown,
    never who is above the cut. Eight queries, whatever the number of students.
    """
    filters = filters or Filters()
    own = COUNSELOR in roles_of(user) and not user.is_superuser
    students = Student.objects.visible_to(user, on)
    if own:
        students = students.filter(pk__in=Caseload.objects.on(on).filter(counselor=user).values("student"))
    current = with_school(Prediction.objects.current(on).filter(student__in=students.values("pk")), on)
    places: dict[int, int] = {}
    if own:
        places, choices = read_own(current)
    else:
        choices = read_choices(current)
    page = max(page, 1)
    matching = filters.narrow(current.filter(enough_data=True))
    shown = list(page_of(matching, on, (page - 1) * PAGE))
    total = getattr(shown[0], "total", 0) if shown else 0
    pages = max(page if shown else 1, -(-total // PAGE))
    lines = make_lines(shown, user, on, places)
    above = [line for line in lines if line.place is None or line.place <= district.flags_per_counselor]
    return CaseloadPage(
        lines=above,
        below_cut=lines[len(above) :],
        without_data=[] if filters or page > 1 else students_without_score(students, current, on),
        model=shown[0].model if shown else ModelVersion.objects.live(),
        window_end=shown[0].window_end if shown else None,
        choices=choices,
        total=total,
        page=page,
        pages=pages,
        own=own,
        capacity=district.flags_per_counselor,
    )


def with_school(rows: QuerySet[Prediction], on: dt.date) -> QuerySet[Prediction]:
    """Add grade, school_code and school_name of the enrollment begun last."""
    enrolled = Enrollment.objects.filter(student=OuterRef("student"), start__lte=on).order_by("-start", "-id")
    return rows.annotate(
        grade=Subquery(enrolled.values("grade_level")[:1]),
        school_code=Subquery(enrolled.values("school__code")[:1]),
        school_name=Subquery(enrolled.values("school__name")[:1]),
        done=Exists(TrainingFeedback.objects.filter(prediction=OuterRef("pk"), verdict=DONE)),
    )


def page_of(matching: QuerySet[Prediction], on: dt.date, offset: int) -> QuerySet[Prediction]:
    """Return one page in rank order with everything that stands beside a score, and `total`. One query.

    What costs a look-up for each student is looked up for the page's students alone.
    """
    order = ("-rank_score", "student__last_name", "student_id")
    inside = matching.order_by(*order).values("pk")[offset : offset + PAGE]
    total = matching.order_by().annotate(one=Value(1)).values("one").annotate(n=Count("pk")).values("n")
    rows = with_school(Prediction.objects.filter(pk__in=inside), on)
    return (
        with_facts(with_answers(rows), on)
        .annotate(total=Subquery(total, output_field=IntegerField()))
        .select_related("student", "model")
        .order_by(*order)
    )


def with_answers(rows: QuerySet[Prediction]) -> QuerySet[Prediction]:
    """Add the score before, the latest answer to any score of the student and the latest help given."""
    before = (
        Prediction.objects.served()
        .filter(
            student=OuterRef("student"), window_end__lt=OuterRef("window_end"), superseded_at__isnull=True
        )
        .order_by("-window_end")
    )
    answers = TrainingFeedback.objects.filter(prediction__student=OuterRef("student")).order_by("-created_at")
    help_given = Intervention.objects.filter(student=OuterRef("student")).order_by("-started", "-id")
    return rows.annotate(
        before=Subquery(before.values("risk_score")[:1]),
        answer=Subquery(answers.values("verdict")[:1]),
        answered_at=Subquery(answers.values("created_at")[:1]),
        help=Subquery(
            help_given.values(said=JSONObject(kind="kind", started="started"))[:1], output_field=JSONField()
        ),
    )


def with_facts(rows: QuerySet[Prediction], on: dt.date) -> QuerySet[Prediction]:
    """Add how many incidents, and pieces of work due and not in, were recorded since the window closed."""
    incidents = DisciplineIncident.objects.filter(
        student=OuterRef("student"), date__gt=OuterRef("window_end"), date__lte=on, role="perpetrator"
    )
    later = CourseGrade.objects.filter(
        student=OuterRef("student"),
        course_code=OuterRef("course_code"),
        item_key=OuterRef("item_key"),
        assignment_id=OuterRef("assignment_id"),
        date__gt=OuterRef("date"),
        date__lte=on,
    ).exclude(assignment_id="")
    work = CourseGrade.objects.filter(
        student=OuterRef("student"), date__gt=OuterRef("window_end"), date__lte=on, percent__isnull=True
    ).exclude(Exists(later))

    def count(found: QuerySet[Any]) -> Any:
        counted = found.order_by().values("student").annotate(n=Count("pk")).values("n")
        return Coalesce(Subquery(counted, output_field=IntegerField()), 0)

    return rows.annotate(incidents_since=count(incidents), work_since=count(work))


def read_own(current: QuerySet[Any]) -> tuple[dict[int, int], Choices]:
    """Return each prediction's place in the whole caseload, and the choices. One query."""
    rows = list(
        current.filter(enough_data=True)
        .order_by("-rank_score", "student__last_name", "student_id")
        .values_list("pk", "school_code", "school_name", "grade", "risk_level", "done")
    )
    counted = [(school, name, grade, level, done, 1) for _, school, name, grade, level, done in rows]
    return {pk: place for place, (pk, *_) in enumerate(rows, start=1)}, make_choices(counted)


def read_choices(current: QuerySet[Any]) -> Choices:
    """Return the choices of a list that may hold the whole district. One query."""
    rows = (
        current.filter(enough_data=True)
        .order_by()
        .values("school_code", "school_name", "grade", "risk_level", "done")
        .annotate(n=Count("pk"))
    )
    return make_choices(
        [
            (r["school_code"], r["school_name"], r["grade"], r["risk_level"], r["done"], r["n"])
            for r in rows.values("school_code", "school_name", "grade", "risk_level", "done", "n")
        ]
    )


def make_choices(rows: list[tuple[Any, Any, Any, str, bool, int]]) -> Choices:
    made = Choices()
    schools: dict[str, str] = {}
    grades: set[str] = set()
    for school, name, grade, level, done, n in rows:
        if school:
            schools[school] = name or school
        if grade:
            grades.add(grade)
        made.levels[level] = made.levels.get(level, 0) + n
        made.total += n
        made.done += n if done else 0
    made.schools = sorted(schools.items(), key=lambda pair: pair[1])
    made.grades = [
        (grade, str(Grade(grade).label)) for grade in sorted(grades, key=lambda g: GRADE_ORDER.get(g, 99))
    ]
    return made


def students_without_score(students: Any, current: QuerySet[Prediction], on: dt.date) -> list[Student]:
    """Return enrolled students without a score, each with `why_none`. One query; at most 200."""
    mine = current.order_by().filter(student=OuterRef("pk"))
    return list(
        students.enrolled_on(on)
        .exclude(Exists(mine.filter(enough_data=True)))
        .annotate(
            why_none=Case(
                When(Exists(mine), then=Value("too few weeks of records")),
                default=Value("not scored at the last close, for example newly enrolled"),
                output_field=CharField(),
            )
        )
        .order_by(F("last_name"), F("first_name"))[:200]
    )


def make_lines(shown: list[Prediction], user: Any, on: dt.date, places: dict[int, int]) -> list[Line]:
    """Add to predictions what stands beside them, in two queries whatever their number."""
    if not shown:
        return []
    ids = [p.student_id for p in shown]
    days = (
        attendance_days(ids, shown[0].window_end, on)
        .group_by("student_id")
        .agg(pl.col("absent").sum(), pl.len().alias("known"))
    )
    attended = {row["student_id"]: (row["absent"], row["known"]) for row in days.to_dicts()}
    shared: dict[int, list[str]] = {}
    for student, first, last, username in (
        Caseload.objects.on(on)
        .filter(student__in=ids)
        .exclude(counselor=user)
        .order_by("counselor__last_name", "counselor__first_name")
        .values_list("student_id", "counselor__first_name", "counselor__last_name", "counselor__username")
    ):
        shared.setdefault(student, []).append(f"{first} {last}".strip() or username)
    return [make_line(p, places.get(p.pk), attended, shared) for p in shown]


def make_line(
    p: Any, place: int | None, attended: dict[int, tuple[int, int]], shared: dict[int, list[str]]
) -> Line:
    raising = [factor for factor in p.factors or [] if factor["direction"] == "raises"]
    missed, known = attended.get(p.student_id, (0, 0))
    facts = []
    if known:
        days = f"{known} day{'' if known == 1 else 's'}"
        facts.append(f"absent {missed} of {days}" if missed else f"present {known} of {days}")
    if p.incidents_since:
        facts.append(f"{p.incidents_since} incident{'' if p.incidents_since == 1 else 's'}")
    if p.work_since:
        facts.append(f"{p.work_since} piece{'' if p.work_since == 1 else 's'} of work not in")
    return Line(
        prediction=p,
        place=place,
        change=None if p.before is None or p.risk_score is None else p.risk_score - p.before,
        reason=raising[0]["text"] if raising else "",
        facts=facts,
        last_action=last_action(p),
        done=p.done,
        shared_with=shared.get(p.student_id, []),
    )


def last_action(p: Any) -> str:
    """Return the later of the last answer and the last help given, in words."""
    found: list[tuple[dt.date, str]] = []
    if p.help:
        found.append(
            (dt.date.fromisoformat(p.help["started"][:10]), str(Intervention.Kind(p.help["kind"]).label))
        )
    if p.answer:
        found.append((p.answered_at.date(), str(TrainingFeedback.Verdict(p.answer).label)))
    if not found:
        return ""
    day, text = max(found)
    return f"{text}, {spoken(day)}"
