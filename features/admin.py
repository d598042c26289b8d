"""Weekly features and what is usual, to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from features.models import CohortWeek, StudentFeature
from students.access import district_today
from students.models import Student


class ReadOnlyAdmin(admin.ModelAdmin):
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(StudentFeature)
class StudentFeatureAdmin(ReadOnlyAdmin):
    list_display = ("student", "week", "school", "grade_level", "absence_rate_4w", "core_failing_now")
    list_select_related = ("student", "school")
    search_fields = ("student__district_id",)
    list_filter = ("school",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        visible = Student.objects.visible_to(request.user, district_today())
        return super().get_queryset(request).filter(student__in=visible.values("pk"))


@admin.register(CohortWeek)
class CohortWeekAdmin(ReadOnlyAdmin):
    list_display = ("school", "grade_level", "week_end", "n")
    list_select_related = ("school",)
    list_filter = ("school", "grade_level")
