"""Caseloads from the counselor column of the students file."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth import get_user_model

from ingestion.staging import STAGE, rows
from students.models import Caseload


def as_date(value: Any) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)


def take_caseloads(import_id: int) -> list[str]:
    """Open a caseload row for each counselor named in a student's latest row, close those no longer named.

    Returns notices: usernames that nobody has. Only students whose row names somebody are touched.
    """
    named = rows(
        f"SELECT student_id, counselor, \"start\" FROM {STAGE} WHERE counselor <> '' "
        "AND student_state IS NOT NULL AND student_state <> 'protected'"
    )
    users = dict(get_user_model()._default_manager.filter(is_active=True).values_list("username", "pk"))
    unknown: set[str] = set()
    wanted: dict[tuple[int, int], dt.date] = {}
    for student, cell, start in named:
        for name in filter(None, (part.strip() for part in cell.replace(",", ";").split(";"))):
            if name in users:
                wanted[(users[name], student)] = as_date(start)
            else:
                unknown.add(name)
    students = {student for _, student in wanted}
    held = Caseload.objects.filter(valid_to__isnull=True).values_list("pk", "counselor_id", "student_id")
    open_now = {(counselor, student): pk for pk, counselor, student in held if student in students}
    ended = [pk for pair, pk in open_now.items() if pair not in wanted]
    if ended:
        latest = max(wanted.values())
        for at in range(0, len(ended), 5_000):
            Caseload.objects.filter(pk__in=ended[at : at + 5_000], valid_from__lte=latest).update(
                valid_to=latest
            )
    Caseload.objects.bulk_create(
        (
            Caseload(counselor_id=counselor, student_id=student, valid_from=start, last_import=import_id)
            for (counselor, student), start in wanted.items()
            if (counselor, student) not in open_now
        ),
        ignore_conflicts=True,
        batch_size=5_000,
    )
    return (
        [f"No log-in is named {', '.join(sorted(unknown)[:20])}; their caseloads were left out."]
        if unknown
        else []
    )
