"""The cast. Ana counsels at North; Ben shares part of her caseload; Cleo, at South, must see nothing of it.

Dana is data staff, Alan analyst, Dora district admin, all for the whole district; Pia is principal of
North. Ula works for the district and has no role at all. Nia and Noah are students at North (Ben shares
Nia), Sam and Sol at South. Everybody's password is `factories.PASSWORD`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User

from students.models import School, Student
from tests.factories import (
    CaseloadFactory,
    EnrollmentFactory,
    SchoolFactory,
    StaffScopeFactory,
    StudentFactory,
    UserFactory,
)


@dataclass(frozen=True)
class People:
    north: School
    south: School
    ana: User
    ben: User
    cleo: User
    dana: User
    alan: User
    pia: User
    dora: User
    ula: User
    nia: Student
    noah: Student
    sam: Student
    sol: Student

    @property
    def staff(self) -> dict[str, User]:
        names = ("ana", "ben", "cleo", "dana", "alan", "pia", "dora", "ula")
        return {name: getattr(self, name) for name in names}


def make_people() -> People:
    """Save the cast: 8 staff, 2 schools, 4 students with enrollments, scopes and caseloads."""
    north = SchoolFactory(code="NORTH", name="North High")
    south = SchoolFactory(code="SOUTH", name="South High")
    roles = {
        "ana": "counselor",
        "ben": "counselor",
        "cleo": "counselor",
        "dana": "data staff",
        "alan": "analyst",
        "pia": "principal",
        "dora": "district admin",
        "ula": None,
    }
    staff = {
        name: UserFactory(username=name, first_name=name.title(), role=role) for name, role in roles.items()
    }
    for name in ("dana", "alan", "dora"):
        StaffScopeFactory(user=staff[name])
    StaffScopeFactory(user=staff["pia"], school=north)
    students = {}
    for number, (name, school) in enumerate(
        {"nia": north, "noah": north, "sam": south, "sol": south}.items()
    ):
        students[name] = StudentFactory(
            first_name=name.title(), last_name="Example", district_id=f"S-{9001 + number}"
        )
        EnrollmentFactory(student=students[name], school=school)
    for counselor, student in (
        ("ana", "nia"),
        ("ana", "noah"),
        ("ben", "nia"),
        ("cleo", "sam"),
        ("cleo", "sol"),
    ):
        CaseloadFactory(counselor=staff[counselor], student=students[student])
    return People(north=north, south=south, **staff, **students)
