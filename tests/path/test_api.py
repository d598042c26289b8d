"""The API as a program of the district uses it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from demo.accounts import PASSWORD
from ingestion.loading import run_import
from ingestion.models import HistoricalDataImport
from predictions.models import ModelVersion, Prediction, TrainingRun
from students.models import AuditEvent, Caseload, Student

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("district", "today")]
API = "/api/v1"


def api(username: str) -> APIClient:
    client = APIClient()
    token = client.post(
        f"{API}/auth/token", {"username": username, "password": PASSWORD}, format="json"
    ).json()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token['access']}")
    return client


def mine(username: str) -> Student:
    held = Caseload.objects.filter(counselor__username=username, valid_to=None).values("student")
    found = (
        Prediction.objects.current()
        .filter(student__in=held, enough_data=True)
        .select_related("student")
        .first()
    )
    assert found is not None
    return found.student


def is_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "errors", "request_id"}
    assert body["status"] == status
    assert body["request_id"] == answer["X-Request-ID"]


def test_a_prediction_has_the_shape_of_the_contract() -> None:
    student = mine("ana")
    answer = api("ana").post(f"{API}/predict", {"student_id": student.district_id}, format="json")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {
        "id", "student_id", "as_of", "window_end", "model_version", "feature_version", "ranked_by", "risk_score",
        "risk_level", "confidence", "domains", "risk_factors", "weeks", "enough_data", "retrospective", "in_sample",
        "created_at",
    }  # fmt: skip
    assert body["student_id"] == student.district_id
    assert 0 <= body["confidence"]["low"] <= body["confidence"]["high"] <= 1
    assert set(body["risk_factors"][0]) == {
        "domain",
        "feature",
        "value",
        "typical",
        "contribution",
        "direction",
        "text",
    }
    assert sum(week["attention"] for week in body["weeks"]) == pytest.approx(1, abs=0.01)
    again = api("ana").post(f"{API}/predict", {"student_id": student.district_id}, format="json").json()
    assert again["id"] == body["id"]
    assert AuditEvent.objects.filter(action="predict", object_id=body["id"]).count() == 2


def test_past_and_future_days(today: dt.date) -> None:
    client, student = api("ana"), mine("ana")
    past = client.post(
        f"{API}/predict", {"student_id": student.district_id, "as_of": "2026-10-21"}, format="json"
    )
    assert past.json()["retrospective"] is True
    assert past.json()["window_end"] == "2026-10-18"
    is_problem(
        client.post(
            f"{API}/predict", {"student_id": student.district_id, "as_of": "2030-01-01"}, format="json"
        ),
        400,
    )


def test_a_student_out_of_reach_is_as_if_absent() -> None:
    client, theirs = api("cleo"), mine("ana")
    is_problem(client.post(f"{API}/predict", {"student_id": theirs.district_id}, format="json"), 404)
    is_problem(client.post(f"{API}/predict", {"student_id": "nobody"}, format="json"), 404)
    for path in ("", "/attendance", "/grades", "/discipline", "/features", "/predictions"):
        is_problem(client.get(f"{API}/students/{theirs.uuid}{path}"), 404)
    made = Prediction.objects.filter(student=theirs)[0]
    is_problem(client.get(f"{API}/predictions/{made.uuid}"), 404)
    is_problem(
        client.post(f"{API}/feedback", {"prediction": str(made.uuid), "verdict": "useful"}, format="json"),
        400,
    )
    batch = client.post(f"{API}/predict/batch", {"student_ids": [theirs.district_id]}, format="json").json()
    assert batch == {"predictions": [], "missing": [theirs.district_id], "not_enrolled": []}


def test_own_records_are_listed_page_by_page() -> None:
    client, student = api("ana"), mine("ana")
    for path in ("attendance", "grades", "features", "predictions"):
        body = client.get(f"{API}/students/{student.uuid}/{path}", {"page_size": 2}).json()
        assert len(body["results"]) == 2, path
        assert body["next"]
        assert client.get(body["next"]).json()["results"] != body["results"]
    listed = client.get(f"{API}/students", {"page_size": 500}).json()["results"]
    assert {row["access_reason"] for row in listed} == {"caseload"}


def test_a_school_is_scored_in_one_batch() -> None:
    body = (
        api("pia")
        .post(f"{API}/predict/batch", {"school": "NORTH", "grade_level": "10"}, format="json")
        .json()
    )
    assert len(body["predictions"]) > 5
    assert {p["window_end"] for p in body["predictions"]} == {"2026-11-22"}


def test_feedback_goes_in_and_comes_out() -> None:
    client = api("ana")
    made = Prediction.objects.current().get(student=mine("ana"))
    answer = client.post(
        f"{API}/feedback", {"prediction": str(made.uuid), "verdict": "useful"}, format="json"
    )
    assert answer.status_code == 201
    assert client.get(f"{API}/feedback").json()["results"][0]["user"] == "ana"
    assert api("cleo").get(f"{API}/feedback").json()["results"] == []
    is_problem(
        client.post(f"{API}/feedback", {"prediction": str(made.uuid), "verdict": "meh"}, format="json"), 400
    )


def test_tokens_live_and_die() -> None:
    client = APIClient()
    pair = client.post(f"{API}/auth/token", {"username": "ana", "password": PASSWORD}, format="json").json()
    new = client.post(f"{API}/auth/token/refresh", {"refresh": pair["refresh"]}, format="json").json()
    is_problem(client.post(f"{API}/auth/token/refresh", {"refresh": pair["refresh"]}, format="json"), 401)
    assert (
        client.post(f"{API}/auth/token/revoke", {"refresh": new["refresh"]}, format="json").status_code == 200
    )
    is_problem(client.post(f"{API}/auth/token/refresh", {"refresh": new["refresh"]}, format="json"), 401)
    is_problem(client.post(f"{API}/auth/token", {"username": "ana", "password": "wrong"}, format="json"), 401)
    client.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    is_problem(client.get(f"{API}/students"), 401)


def test_errors_have_one_shape() -> None:
    client = api("ana")
    is_problem(client.get(f"{API}/nowhere"), 404)
    is_problem(client.get(f"{API}/predict"), 405)
    is_problem(client.post(f"{API}/predict", "{", content_type="application/json"), 400)
    is_problem(client.post(f"{API}/predict", "x", content_type="text/csv"), 415)
    is_problem(client.post(f"{API}/predict", {}, format="json"), 400)
    is_problem(client.post(f"{API}/train/update", {}, format="json"), 403)
    is_problem(client.get(f"{API}/data/imports"), 403)
    is_problem(client.get(f"{API}/metrics"), 403)
    is_problem(APIClient().get(f"{API}/students"), 401)


def test_a_file_is_uploaded_loaded_and_reported() -> None:
    student = mine("ana")
    file = SimpleUploadedFile(
        "attendance.csv",
        f"student_id,date,status\n{student.district_id},2026-11-23,absent\nX,2026-11-23,absent\n".encode(),
    )
    answer = api("dana").post(f"{API}/data/upload", {"kind": "attendance", "file": file}, format="multipart")
    assert answer.status_code == 202
    task = answer.json()
    made = HistoricalDataImport.objects.get(uuid=task["id"])
    run_import(made.pk)  # what the worker does when the doorbell rings
    body = api("dana").get(f"{API}/data/imports/{task['id']}").json()
    assert (body["state"], body["rows_read"], body["rejected"]) == ("held", 2, 1)
    problems = api("dana").get(f"{API}/data/imports/{task['id']}/problems").json()["results"]
    assert problems[0]["line"] == 3
    assert api("dana").get(f"{API}/tasks/{task['id']}").json()["kind"] == "import"
    is_problem(api("ana").get(f"{API}/tasks/{task['id']}"), 404)


def test_training_is_asked_for_once() -> None:
    client = api("alan")
    first = client.post(f"{API}/train/update", {"reason": "new term"}, format="json")
    assert first.status_code == 202
    is_problem(client.post(f"{API}/train/update", {}, format="json"), 409)
    assert TrainingRun.objects.filter(state="queued").count() == 1


def test_models_are_listed_measured_and_promoted() -> None:
    client, live = api("alan"), ModelVersion.objects.live()
    assert live is not None
    assert client.get(f"{API}/metrics").json()["report"]["heads"]["risk"]["headline"]
    assert client.get(f"{API}/models").json()["results"][0]["version"] == live.version
    assert client.post(f"{API}/models/{live.version}/promote").json()["status"] == "live"
    is_problem(client.post(f"{API}/models/none/promote"), 404)
    is_problem(api("pia").post(f"{API}/models/{live.version}/promote"), 403)


def test_without_a_model_it_says_so() -> None:
    student = mine("ana")
    ModelVersion.objects.update(status="retired")
    is_problem(api("ana").post(f"{API}/predict", {"student_id": student.district_id}, format="json"), 503)


def test_a_list_costs_the_same_for_one_and_for_many(django_assert_max_num_queries: Any) -> None:
    client = api("dora")
    with django_assert_max_num_queries(12):
        assert len(client.get(f"{API}/predictions", {"page_size": 200}).json()["results"]) == 200


def test_schema_and_viewer_are_served_without_another_host() -> None:
    client = api("dora")
    assert client.get(f"{API}/schema").status_code == 200
    page = client.get(f"{API}/docs", HTTP_ACCEPT="text/html")
    assert page.status_code == 200
    assert b"//cdn" not in page.content
