"""The counselor's pages, and who may see what."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from predictions.models import Prediction, TrainingFeedback
from students.models import AuditEvent, Caseload, Intervention, Student

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("district", "today")]


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_caseload_is_ranked_and_synthetic_is_said(ana: User) -> None:
    answer = logged_in(ana).get("/")
    page = answer.context["page"]
    ranks = [line.prediction.rank_score for line in [*page.lines, *page.below_cut]]
    assert ranks == sorted(ranks, reverse=True)
    assert len(page.lines) <= page.capacity
    body = answer.content.decode()
    assert "Synthetic district: every student here is invented." in body
    assert "ranked by" in body
    assert page.lines[0].reason in body


def test_it_holds_only_ones_own_students_and_names_colleagues(ana: User) -> None:
    page = logged_in(ana).get("/").context["page"]
    mine = set(Caseload.objects.filter(counselor=ana, valid_to=None).values_list("student", flat=True))
    lines = [*page.lines, *page.below_cut]
    assert {line.prediction.student_id for line in lines} <= mine
    shared = [line for line in lines if line.shared_with]
    assert shared
    assert {name for line in shared for name in line.shared_with} == {"Ben Brandt"}


def test_the_number_of_queries_does_not_grow_with_the_caseload(ana: User) -> None:
    client = logged_in(ana)
    with CaptureQueriesContext(connection) as many:
        page = client.get("/").context["page"]
    assert page.total > 20
    few = [line.prediction.student_id for line in page.lines[:3]]
    Caseload.objects.filter(counselor=ana).exclude(student__in=few).delete()
    with CaptureQueriesContext(connection) as one:
        assert client.get("/").context["page"].total == 3
    assert len(many) == len(one) <= 12


def test_filters_narrow_the_list(ana: User) -> None:
    client = logged_in(ana)
    high = client.get("/", {"level": "high"}).context["page"]
    assert {line.prediction.risk_level for line in high.lines} <= {"high"}
    name = client.get("/").context["page"].lines[0].prediction.student.last_name
    found = client.get("/", {"q": name}).context["page"]
    assert all(line.prediction.student.last_name == name for line in found.lines)
    assert client.get("/", {"page": "9" * 40}).status_code == 200


def test_the_student_page_shows_score_reasons_and_history_and_is_audited(ana: User) -> None:
    prediction = logged_in(ana).get("/").context["page"].lines[0].prediction
    answer = logged_in(ana).get(reverse("student", args=[prediction.student.uuid]))
    body = answer.content.decode()
    assert prediction.factors[0]["text"].replace("'", "&#x27;") in body
    assert body.count("<svg") >= 3
    assert "You see this student because of your caseload" in body
    assert (
        AuditEvent.objects.filter(action="read", object_id=str(prediction.student.uuid), actor=ana).count()
        == 1
    )


def test_a_counselor_of_the_other_school_gets_404_on_every_student_address(ana: User, cleo: User) -> None:
    prediction = logged_in(ana).get("/").context["page"].lines[0].prediction
    student, client = prediction.student, logged_in(cleo)
    assert client.get(reverse("student", args=[student.uuid])).status_code == 404
    assert client.post(reverse("intervention", args=[student.uuid]), {"kind": "other"}).status_code == 404
    assert client.post(reverse("feedback", args=[prediction.uuid]), {"verdict": "useful"}).status_code == 404
    for path in ("", "/attendance", "/grades", "/discipline", "/features", "/predictions"):
        assert client.get(f"/api/v1/students/{student.uuid}{path}").status_code in (401, 404)
    assert not TrainingFeedback.objects.exists()
    for name in ("attendancerecord", "student", "prediction"):
        app = "predictions" if name == "prediction" else "students"
        listed = client.get(reverse(f"admin:{app}_{name}_changelist"), {"q": student.district_id})
        assert student.last_name not in listed.content.decode() or listed.context["cl"].result_count == 0


def test_feedback_and_interventions_are_kept_with_who_and_when(ana: User, today: dt.date) -> None:
    client = logged_in(ana)
    prediction = client.get("/").context["page"].lines[0].prediction
    client.post(reverse("feedback", args=[prediction.uuid]), {"verdict": "wrong", "note": "Moved house."})
    client.post(
        reverse("intervention", args=[prediction.student.uuid]),
        {"kind": "family", "started": today.isoformat()},
    )
    assert TrainingFeedback.objects.get().user == ana
    assert Intervention.objects.get().logged_by == ana
    body = client.get(reverse("student", args=[prediction.student.uuid])).content.decode()
    assert "Moved house." in body
    assert "Call or meeting with the family" in body
    answer = client.post(reverse("feedback", args=[prediction.uuid]), {"verdict": "nonsense"}, follow=True)
    assert "Not saved" in answer.content.decode()
    assert TrainingFeedback.objects.count() == 1


def test_nobody_gets_in_without_a_log_in() -> None:
    student = Student.objects.first()
    assert student is not None
    for address in ("/", reverse("student", args=[student.uuid]), "/model/"):
        assert Client().get(address).url.startswith("/login/")  # type: ignore[attr-defined]


def test_the_model_page_is_for_those_who_answer_for_the_model(ana: User) -> None:
    assert logged_in(ana).get("/model/").status_code == 403
    alan = User.objects.get(username="alan")
    body = logged_in(alan).get("/model/").content.decode()
    assert "Calibration error" in body
    assert "logistic" in body


def test_data_staff_upload_in_the_admin_and_others_do_not(ana: User) -> None:
    address = reverse("admin:ingestion_historicaldataimport_add")
    assert logged_in(ana).get(address).status_code == 403
    assert logged_in(User.objects.get(username="dana")).get(address).status_code == 200


def test_every_admin_list_opens(ana: User) -> None:
    root = User.objects.create_superuser("root", password="x" * 14)
    client = logged_in(root)
    body = client.get("/admin/").content.decode()
    import re

    addresses = set(re.findall(r'href="(/admin/[a-z_]+/[a-z]+/)"', body))
    assert len(addresses) > 20
    for address in addresses:
        assert client.get(address).status_code == 200, address


def test_a_principal_sees_the_whole_school_in_pages() -> None:
    pia = User.objects.get(username="pia")
    page = logged_in(pia).get("/").context["page"]
    expected = Prediction.objects.current().filter(
        student__in=Student.objects.visible_to(pia), enough_data=True
    )
    assert page.total == expected.count()
    assert not page.own
