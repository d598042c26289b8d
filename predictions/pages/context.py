"""What every page shows: the district, whether its students are invented, and what the menu offers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from students.access import ANALYST, DATA_STAFF, DISTRICT_ADMIN, PRINCIPAL, ROLES
from students.models import District

MODEL_READERS = frozenset({ANALYST, DATA_STAFF, DISTRICT_ADMIN, PRINCIPAL})
MODEL_KEEPERS = frozenset({ANALYST, DISTRICT_ADMIN})
IMPORTERS = frozenset({DATA_STAFF, DISTRICT_ADMIN})


def roles_of(user: Any) -> frozenset[str]:
    """Return a user's roles (a superuser holds all). One query for each request, however often asked."""
    if not getattr(user, "is_active", False):
        return frozenset()
    if user.is_superuser:
        return frozenset(ROLES)
    known: frozenset[str] | None = getattr(user, "_edupulse_roles", None)
    if known is None:
        known = frozenset(user.groups.values_list("name", flat=True))
        user._edupulse_roles = known
    return known


def district(request: HttpRequest) -> dict[str, Any]:
    """Give templates `district` and what the menu offers; each costs a query, and only where it is used."""
    user = getattr(request, "user", None)
    return {
        "district": SimpleLazyObject(District.current),
        "may_see_model": SimpleLazyObject(lambda: bool(roles_of(user) & MODEL_READERS)),
        "may_import": SimpleLazyObject(lambda: bool(roles_of(user) & IMPORTERS)),
    }
