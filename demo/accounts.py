"""The log-ins of the synthetic district. The password is public: they exist beside invented students only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from students.access import ANALYST, COUNSELOR, DATA_STAFF, DISTRICT_ADMIN, PRINCIPAL
from students.models import School, StaffScope

PASSWORD = "edupulse-demo"


@dataclass(frozen=True)
class Account:
    username: str
    first_name: str
    last_name: str
    role: str
    sees: str  # for people: printed beside the log-in
    school: str | None = None  # scope: a school's code, "" the whole district, None only the caseload


ACCOUNTS = (
    Account("ana", "Ana", "Alvarez", COUNSELOR, "her caseload at North High, shared in part with ben"),
    Account("ben", "Ben", "Brandt", COUNSELOR, "his caseload at North High, shared in part with ana"),
    Account("cleo", "Cleo", "Clarke", COUNSELOR, "her caseload at South High"),
    Account("pia", "Pia", "Park", PRINCIPAL, "all students of North High", "NORTH"),
    Account("dana", "Dana", "Diaz", DATA_STAFF, "every school; uploads files in the admin", ""),
    Account("alan", "Alan", "Abara", ANALYST, "every school; the model's page", ""),
    Account("dora", "Dora", "Dunn", DISTRICT_ADMIN, "everything in the district", ""),
)


def make_accounts(usernames: Iterable[str], since: dt.date) -> list[User]:
    """Save the accounts above and a counselor for every other name that the students file mentions.

    Args:
        usernames: what the counselor column holds.
        since: first day of the scopes.
    """
    named = {account.username: account for account in ACCOUNTS}
    others = [
        Account(name, "Counselor", name.rsplit(".", 1)[-1], COUNSELOR, "a caseload")
        for name in sorted(set(usernames) - set(named))
    ]
    hashed = make_password(PASSWORD)  # once: hashing is slow on purpose
    users = []
    for account in (*ACCOUNTS, *others):
        user, _ = User.objects.update_or_create(
            username=account.username,
            defaults={
                "first_name": account.first_name,
                "last_name": account.last_name,
                "password": hashed,
                "is_staff": True,
                "is_active": True,
            },
        )
        user.groups.set([Group.objects.get(name=account.role)])
        users.append(user)
    return users


def give_scopes(since: dt.date) -> None:
    """Save the scopes of the accounts above; after the import, which makes the schools."""
    for account in ACCOUNTS:
        if account.school is None:
            continue
        school = School.objects.get(code=account.school) if account.school else None
        user = User.objects.get(username=account.username)
        StaffScope.objects.get_or_create(user=user, school=school, defaults={"valid_from": since})
