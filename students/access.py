"""Who may see which student, and why. If a page wants student rows, they come through here.

A person sees a student because of a scope (the district, a school, a grade of a school) that covers an
enrollment of that student, or because the student is on their caseload. Scopes and caseloads are dated.
A superuser sees the district. Nobody else sees anyone.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.db.models import Case, CharField, Exists, OuterRef, Q, Value, When

if TYPE_CHECKING:
    from students.models.student import StudentQuerySet

COUNSELOR = "counselor"
DATA_STAFF = "data staff"
ANALYST = "analyst"
PRINCIPAL = "principal"
DISTRICT_ADMIN = "district admin"
ROLES = (COUNSELOR, DATA_STAFF, ANALYST, PRINCIPAL, DISTRICT_ADMIN)

# A year after a student left, the last school's staff may still look up what happened.
AFTER_EXIT = dt.timedelta(days=365)


def has_role(user: Any, *roles: str) -> bool:
    """Tell whether an active user holds one of the roles; a superuser holds all. Costs one query."""
    if not getattr(user, "is_active", False):
        return False
    return bool(user.is_superuser) or user.groups.filter(name__in=roles).exists()


def district_today() -> dt.date:
    """Return today's date in the district's time zone. For views, tasks and commands only."""
    from students.models import District  # the models import this module

    return dt.datetime.now(District.current().zone).date()


def students_visible_to(students: StudentQuerySet, user: Any, on: dt.date | None = None) -> StudentQuerySet:
    """Keep the students whom `user` may see on the day `on`, each annotated with `access_reason`."""
    from students.models import Caseload, Enrollment, StaffScope

    if not getattr(user, "is_active", False):
        return students.none()
    if user.is_superuser:
        return students.annotate(access_reason=Value("district", output_field=CharField()))
    day = on or district_today()
    scopes = StaffScope.objects.on(day).filter(user=user)
    if scopes.filter(school__isnull=True, grade_level="").exists():
        return students.annotate(access_reason=Value("district", output_field=CharField()))

    current = Enrollment.objects.filter(student=OuterRef("pk"), start__lte=day + AFTER_EXIT).filter(
        Q(end__isnull=True) | Q(end__gt=day - AFTER_EXIT)
    )
    # A student who moved on to another school is no longer the old school's to see.
    moved_on = Enrollment.objects.filter(
        student=OuterRef("student"), start__gt=OuterRef("start"), start__lte=day
    )
    current = current.annotate(moved_on=Exists(moved_on)).filter(moved_on=False)
    by_school = current.filter(school__in=scopes.filter(grade_level="").values("school"))
    by_grade = current.filter(
        Exists(
            scopes.exclude(grade_level="")
            .filter(Q(school__isnull=True) | Q(school=OuterRef("school")))
            .filter(grade_level=OuterRef("grade_level"))
        )
    )
    by_caseload = Caseload.objects.on(day).filter(counselor=user, student=OuterRef("pk"))
    return (
        students.annotate(
            _by_school=Exists(by_school),
            _by_grade=Exists(by_grade),
            _by_caseload=Exists(by_caseload),
        )
        .filter(Q(_by_school=True) | Q(_by_grade=True) | Q(_by_caseload=True))
        .annotate(
            access_reason=Case(
                When(_by_caseload=True, then=Value("caseload")),
                When(_by_grade=True, then=Value("grade")),
                default=Value("school"),
                output_field=CharField(),
            )
        )
    )
