"""The records in the admin: seen through the one door, edited with a trace."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from students.access import district_today
from students.models import (
    AttendanceRecord,
    AuditEvent,
    Caseload,
    CourseGrade,
    DisciplineIncident,
    District,
    Enrollment,
    Intervention,
    Outcome,
    School,
    SchoolDay,
    StaffScope,
    Student,
    Term,
    Threshold,
)

admin.site.site_header = "EduPulse"
admin.site.site_title = "EduPulse"
admin.site.index_title = "Records, imports and models"


class AuditedAdmin(admin.ModelAdmin):
    """Writes down which fields a person changed, never their content."""

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        AuditEvent.record(
            "edit",
            obj._meta.model_name or "",
            _key(obj),
            actor=request.user,
            fields=form.changed_data,
            added=not change,
        )

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        AuditEvent.record("edit", obj._meta.model_name or "", _key(obj), actor=request.user, deleted=True)
        super().delete_model(request, obj)


def _key(obj: Any) -> str:
    return str(getattr(obj, "uuid", obj.pk))


class RecordAdmin(AuditedAdmin):
    """Records of students whom the user may see. An edit by hand is protected from imports."""

    readonly_fields: ClassVar[Any] = ("last_import", "edited_at", "updated_at")
    raw_id_fields: ClassVar[Any] = ("student",)
    list_select_related: ClassVar[Any] = ("student",)
    search_fields: ClassVar[Any] = ("student__district_id", "student__last_name")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if getattr(request.user, "is_superuser", False):
            return rows
        return rows.filter(
            student__in=Student.objects.visible_to(request.user, district_today()).values("pk")
        )

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        if hasattr(obj, "edited_at"):
            obj.edited_at = timezone.now()
        super().save_model(request, obj, form, change)
        if hasattr(obj, "recorded_at"):
            mark_stale(
                obj.student_id, min(obj.recorded_at, form.initial.get("recorded_at") or obj.recorded_at)
            )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        student, since = obj.student_id, getattr(obj, "recorded_at", None)
        super().delete_model(request, obj)
        if since is not None:
            mark_stale(student, since)


def mark_stale(student: int, since: dt.date) -> None:
    """Note that a student's features are out of date from a day on."""
    found = Student.objects.only("stale_from").get(pk=student)
    Student.objects.filter(pk=student).update(
        stale_from=min(found.stale_from or since, since), records_changed_at=timezone.now()
    )


class EnrollmentInline(admin.TabularInline):
    model = Enrollment
    extra = 0
    readonly_fields = ("last_import", "edited_at")
    raw_id_fields = ("school",)


@admin.register(Student)
class StudentAdmin(AuditedAdmin):
    list_display = ("district_id", "last_name", "first_name", "birth_date")
    search_fields = ("district_id", "state_id", "last_name", "first_name")
    readonly_fields = ("uuid", "last_import", "edited_at", "updated_at", "stale_from", "records_changed_at")
    inlines = (EnrollmentInline,)
    show_full_result_count = False
    fieldsets = (
        (
            None,
            {"fields": ("district_id", "state_id", "first_name", "last_name", "birth_date", "recorded_at")},
        ),
        (
            "Kept for the audit by group alone",
            {
                "classes": ("collapse",),
                "fields": (
                    "gender",
                    "race_ethnicity",
                    "english_learner",
                    "special_education",
                    "economically_disadvantaged",
                ),
            },
        ),
        ("History", {"fields": ("uuid", "last_import", "edited_at", "stale_from", "records_changed_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Student]:
        return Student.objects.visible_to(request.user, district_today())

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        obj.edited_at = timezone.now()
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: ModelForm, formset: Any, change: bool) -> None:
        rows = formset.save(commit=False)
        for row in rows:
            row.edited_at = timezone.now()
            row.save()
            mark_stale(row.student_id, row.recorded_at)
        for row in formset.deleted_objects:
            since = row.recorded_at
            row.delete()
            mark_stale(form.instance.pk, since)
        formset.save_m2m()


@admin.register(Enrollment)
class EnrollmentAdmin(RecordAdmin):
    list_display = ("student", "school", "grade_level", "start", "end", "exit_type")
    list_filter = ("school", "grade_level", "exit_type")
    list_select_related = ("student", "school")


@admin.register(AttendanceRecord)
class AttendanceAdmin(RecordAdmin):
    list_display = ("student", "date", "period", "status")
    list_filter = ("status",)


@admin.register(CourseGrade)
class CourseGradeAdmin(RecordAdmin):
    list_display = ("student", "date", "course_code", "kind", "score_text", "percent")
    list_filter = ("kind", "subject")


@admin.register(DisciplineIncident)
class IncidentAdmin(RecordAdmin):
    list_display = ("student", "date", "incident_type", "action", "days_removed")
    list_filter = ("action", "severity")


@admin.register(Outcome)
class OutcomeAdmin(RecordAdmin):
    list_display = ("student", "school_year", "outcome", "date")
    list_filter = ("school_year", "outcome")


@admin.register(Caseload)
class CaseloadAdmin(RecordAdmin):
    list_display = ("counselor", "student", "valid_from", "valid_to")
    list_filter = ("counselor",)
    list_select_related = ("counselor", "student")
    readonly_fields = ("last_import",)


@admin.register(Intervention)
class InterventionAdmin(RecordAdmin):
    list_display = ("student", "kind", "started", "logged_by")
    list_filter = ("kind",)
    readonly_fields = ("logged_at",)
    exclude = ("logged_by",)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        if not change:
            obj.logged_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(District)
class DistrictAdmin(AuditedAdmin):
    list_display = ("name", "time_zone", "label_basis", "flags_per_counselor")
    readonly_fields = ("synthetic",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(School)
class SchoolAdmin(AuditedAdmin):
    list_display = ("code", "name")
    search_fields = ("code", "name")


@admin.register(SchoolDay)
class SchoolDayAdmin(AuditedAdmin):
    list_display = ("date", "school_code", "in_session", "school_year", "term", "inferred")
    list_filter = ("school_year", "in_session", "inferred")
    readonly_fields = ("last_import", "edited_at")

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        obj.edited_at = timezone.now()
        super().save_model(request, obj, form, change)
        touched = Enrollment.objects.all()
        if obj.school_code:
            touched = touched.filter(school__code=obj.school_code)
        students = Student.objects.filter(pk__in=touched.values("student"))
        students.filter(stale_from__gt=obj.date).update(stale_from=obj.date)
        students.filter(stale_from__isnull=True).update(stale_from=obj.date)
        students.update(records_changed_at=timezone.now())


@admin.register(Term)
class TermAdmin(AuditedAdmin):
    list_display = ("school_year", "name", "school_code", "start", "end")


@admin.register(Threshold)
class ThresholdAdmin(AuditedAdmin):
    list_display = ("name", "value", "valid_from")
    list_filter = ("name",)


@admin.register(StaffScope)
class StaffScopeAdmin(AuditedAdmin):
    list_display = ("user", "school", "grade_level", "valid_from", "valid_to")
    list_select_related = ("user", "school")


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    list_display = ("at", "actor", "action", "object_type", "object_id")
    list_filter = ("action", "object_type")
    list_select_related = ("actor",)
    search_fields = ("object_id", "request_id")
    date_hierarchy = "at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
