"""The pages. A view guards, acts, answers."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from edupulse_site.requests import request_id
from predictions.feedback import record_feedback
from predictions.models import ModelVersion, Prediction
from predictions.pages.caseload import Filters, caseload_page
from predictions.pages.context import MODEL_KEEPERS, MODEL_READERS, roles_of
from predictions.pages.forms import FeedbackForm, InterventionForm
from predictions.pages.quality import model_context
from predictions.pages.student import student_context
from predictions.promotion import CannotPromote, promote, rollback
from students.access import district_today
from students.models import AuditEvent, District, Student


@login_required
@require_safe
def caseload(request: HttpRequest) -> HttpResponse:
    query, district = request.GET, District.current()
    number = query.get("page", "1")

    def asked(name: str, most: int) -> str:
        # PostgreSQL keeps no NUL in text, not even to compare with.
        return query.get(name, "").replace("\0", "").strip()[:most]

    filters = Filters(
        search=asked("q", 80),
        level=asked("level", 10),
        grade=asked("grade", 2),
        school=asked("school", 40),
        open_only=query.get("open", "") == "1",
    )
    page = caseload_page(
        request.user,
        district_today(),
        district,
        filters,
        page=int(number) if number.isdecimal() and len(number) < 7 else 1,
    )
    AuditEvent.record(
        "read", "caseload", actor=request.user, request_id=request_id.get(), students=page.students
    )
    kept = query.copy()
    kept.pop("page", None)
    context = {
        "page": page,
        "district": district,
        "filters": filters,
        "levels": Prediction.Level.choices[:3][::-1],
        "kept": kept.urlencode(),
        "roles": roles_of(request.user),
    }
    return render(request, "predictions/caseload.html", context)


@login_required
@require_safe
def student(request: HttpRequest, student_uuid: uuid.UUID) -> HttpResponse:
    return student_page(request, student_uuid)


def student_page(
    request: HttpRequest, student_uuid: uuid.UUID, status: int = 200, **forms: Any
) -> HttpResponse:
    """Answer with a student's page, its forms empty unless given, and write down that it was read."""
    today = district_today()
    found = get_object_or_404(Student.objects.visible_to(request.user, today), uuid=student_uuid)
    AuditEvent.record("read", "student", found.uuid, actor=request.user, request_id=request_id.get())
    context = {
        **student_context(found, today),
        "student": found,
        "feedback_form": FeedbackForm(),
        "intervention_form": InterventionForm(today=today),
        **forms,
    }
    return render(request, "predictions/student.html", context, status=status)


@login_required
@require_POST
def feedback(request: HttpRequest, prediction_uuid: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(
        Prediction.objects.visible_to(request.user, district_today()).select_related("student"),
        uuid=prediction_uuid,
    )
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Not saved: choose one of the answers; a note has at most 2,000 characters.")
        return student_page(request, found.student.uuid, status=400, feedback_form=form)
    record_feedback(found, request.user, form.cleaned_data["verdict"], form.cleaned_data["note"])
    messages.success(request, f"Thank you; your answer about {found.student} is kept beside the score.")
    onward = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(onward, allowed_hosts=None) and onward.startswith("/"):
        return redirect(onward)
    return redirect("student", student_uuid=found.student.uuid)


@login_required
@require_POST
def intervention(request: HttpRequest, student_uuid: uuid.UUID) -> HttpResponse:
    today = district_today()
    found = get_object_or_404(Student.objects.visible_to(request.user, today), uuid=student_uuid)
    form = InterventionForm(request.POST, today=today)
    if not form.is_valid():
        messages.error(request, "Not saved: choose what was done and a day up to today, as in 2026-02-28.")
        return student_page(request, found.uuid, status=400, intervention_form=form)
    made = form.save(commit=False)
    made.student, made.logged_by = found, request.user
    made.save()
    AuditEvent.record("intervene", "student", found.uuid, actor=request.user, kind=made.kind)
    messages.success(request, f"Logged: {made.get_kind_display().lower()}.")
    return redirect(reverse("student", args=[found.uuid]) + "#help")


@login_required
@require_safe
def model(request: HttpRequest) -> HttpResponse:
    if not roles_of(request.user) & MODEL_READERS:
        raise PermissionDenied
    context = {**model_context(), "may_promote": bool(roles_of(request.user) & MODEL_KEEPERS)}
    return render(request, "predictions/model.html", context)


@login_required
@require_POST
def promote_model(request: HttpRequest) -> HttpResponse:
    if not roles_of(request.user) & MODEL_KEEPERS:
        raise PermissionDenied
    try:
        version = request.POST.get("version", "")
        made: ModelVersion = promote(version, request.user) if version else rollback(request.user)
        messages.success(
            request,
            f"Version {made.version} is in use. The lists show its scores once the next scoring has run.",
        )
    except CannotPromote as error:
        messages.error(request, f"Nothing changed: {error}.")
    return redirect("model")
