"""Roles, as the API asks for them."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from students.access import ANALYST, DATA_STAFF, DISTRICT_ADMIN, ROLES, has_role


class _HasRole(BasePermission):
    roles: tuple[str, ...] = ()
    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: APIView | Any) -> bool:
        return has_role(request.user, *self.roles)


class IsStaffMember(_HasRole):
    """Any of the five roles; what they see is decided student by student."""

    roles = ROLES


class MayImport(_HasRole):
    roles = (DATA_STAFF, DISTRICT_ADMIN)


class MaySeeModels(_HasRole):
    roles = tuple(role for role in ROLES if role != "counselor")


class MayTrain(_HasRole):
    roles = (ANALYST, DISTRICT_ADMIN)
