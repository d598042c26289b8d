"""The district's people, calendar and records. Nothing here knows of features, scores or pages."""

from students.models.audit import AuditEvent
from students.models.district import District, School, SchoolDay, Term, Threshold
from students.models.records import (
    AttendanceRecord,
    CourseGrade,
    DisciplineIncident,
    Outcome,
)
from students.models.staff import Caseload, Intervention, StaffScope
from students.models.student import Enrollment, Student

__all__ = [
    "AttendanceRecord",
    "AuditEvent",
    "Caseload",
    "CourseGrade",
    "DisciplineIncident",
    "District",
    "Enrollment",
    "Intervention",
    "Outcome",
    "School",
    "SchoolDay",
    "StaffScope",
    "Student",
    "Term",
    "Threshold",
]
