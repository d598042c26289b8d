"""Uploads in the admin: hand in a file, see what became of it, apply, undo, take the problems home."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse

from ingestion.loading import approve, start_import
from ingestion.models import CodeMap, ColumnMapping, HistoricalDataImport
from ingestion.tasks import load_import
from ingestion.undo import CannotUndo, undo_import
from students.access import DATA_STAFF, DISTRICT_ADMIN, has_role
from students.models import AuditEvent

State = HistoricalDataImport.State
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def defused(value: str) -> str:
    """Keep a spreadsheet from taking a value for a formula."""
    return f"'{value}" if value.startswith(FORMULA) else value


class _Echo:
    def write(self, line: str) -> str:
        return line


class UploadForm(forms.ModelForm):
    class Meta:
        model = HistoricalDataImport
        fields = ["kind", "file", "mapping", "dry_run", "on_bad_rows", "overwrite_edited"]
        labels = {"dry_run": "Dry run: only say what would change"}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file, mapping = data.get("file"), data.get("mapping")
        if file is not None and file.size > settings.UPLOAD_MAX_MB * 1024 * 1024:
            self.add_error(
                "file", f"The file is larger than {settings.UPLOAD_MAX_MB} MB; pack it as .csv.gz."
            )
        if mapping is not None and mapping.kind != data.get("kind"):
            self.add_error("mapping", f"This mapping is for {mapping.kind}.")
        return data


class _DataStaffAdmin(admin.ModelAdmin):
    """For data staff and district admins alone."""

    def _allowed(self, request: HttpRequest) -> bool:
        return has_role(request.user, DATA_STAFF, DISTRICT_ADMIN)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._allowed(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allowed(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._allowed(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allowed(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allowed(request)


@admin.register(ColumnMapping)
class ColumnMappingAdmin(_DataStaffAdmin):
    list_display = ("name", "kind", "date_format")
    list_filter = ("kind",)


@admin.register(CodeMap)
class CodeMapAdmin(_DataStaffAdmin):
    list_display = ("subject", "code", "value")
    list_filter = ("subject",)
    search_fields = ("code",)


@admin.register(HistoricalDataImport)
class ImportAdmin(_DataStaffAdmin):
    form = UploadForm
    list_display = ("id", "kind", "filename", "state", "rows_read", "rejected", "uploaded_by", "created_at")
    list_display_links = ("id", "filename")
    list_filter = ("kind", "state")
    list_select_related = ("uploaded_by",)
    change_form_template = "admin/ingestion/historicaldataimport/result.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        own = [
            path("<int:pk>/apply/", self.admin_site.admin_view(self.apply), name="import-apply"),
            path("<int:pk>/undo/", self.admin_site.admin_view(self.undo), name="import-undo"),
            path("<int:pk>/problems.csv", self.admin_site.admin_view(self.problems), name="import-problems"),
        ]
        return own + super().get_urls()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:  # what became of a file is not for editing
            return
        data = form.cleaned_data
        file = data["file"]
        with transaction.atomic():
            made = start_import(
                data["kind"],
                file,
                PurePath(file.name).name,
                user=request.user,
                mapping=data["mapping"],
                dry_run=data["dry_run"],
                on_bad_rows=data["on_bad_rows"],
                overwrite_edited=data["overwrite_edited"],
            )
            obj.pk, obj.uuid = made.pk, made.uuid
            load_import.delay_on_commit(made.pk)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None  # the audit log has it

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return redirect("admin:ingestion_historicaldataimport_change", obj.pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" or not object_id.isdecimal():
            return HttpResponseRedirect(reverse("admin:ingestion_historicaldataimport_changelist"))
        made = get_object_or_404(HistoricalDataImport, pk=object_id)
        context = {
            "made": made,
            "title": str(made),
            "running": made.state in (State.QUEUED, State.RUNNING),
            "may_apply": made.state in (State.CHECKED, State.HELD),
            "may_undo": made.state == State.APPLIED,
            "kinds_of_problem": made.problems.order_by()
            .values("code", "column")
            .annotate(n=Count("pk"))
            .order_by("-n"),
            "examples": made.problems.all()[:20],
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def apply(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Apply a checked or held import."""
        made = get_object_or_404(HistoricalDataImport, pk=pk)
        if request.method == "POST" and self._allowed(request):
            made = approve(made, request.user)
            if made.state == State.QUEUED:
                load_import.delay(made.pk)
                messages.success(request, "The import is being applied.")
        return redirect("admin:ingestion_historicaldataimport_change", pk)

    def undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Undo an applied import."""
        if request.method == "POST" and self._allowed(request):
            try:
                report = undo_import(pk, request.user)
                messages.success(
                    request,
                    f"{report.restored} put back, {report.removed} removed, {report.left} left as they are.",
                )
            except CannotUndo as error:
                messages.error(request, f"Nothing changed: {error}.")
        return redirect("admin:ingestion_historicaldataimport_change", pk)

    def problems(self, request: HttpRequest, pk: int) -> StreamingHttpResponse | HttpResponse:
        """Download the rejected rows; nothing in it can act as a formula."""
        made = get_object_or_404(HistoricalDataImport, pk=pk)
        if not self._allowed(request):
            return HttpResponse(status=403)
        AuditEvent.record("export", "import", made.uuid, actor=request.user)

        def lines() -> Iterator[str]:
            writer = csv.writer(_Echo())
            yield writer.writerow(["line", "column", "value", "reason"])
            for row in made.problems.iterator(chunk_size=2_000):
                yield writer.writerow([row.line, row.column, defused(row.value), defused(row.message)])

        return StreamingHttpResponse(
            lines(),
            content_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="problems-{made.pk}.csv"'},
        )
