"""Predictions on request, stored ones, and answers to them."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from edupulse_site.requests import request_id
from predictions.api.access import IsStaffMember
from predictions.api.errors import Unavailable
from predictions.api.serializers import (
    BatchAnswerSerializer,
    FeedbackSerializer,
    PredictBatchSerializer,
    PredictionSerializer,
    PredictSerializer,
    TaskSerializer,
)
from predictions.api.tasks import task_body
from predictions.feedback import record_feedback
from predictions.models import Prediction, ScoringRun, TrainingFeedback
from predictions.serving import NoLiveModel, predict_many, predict_one
from predictions.tasks import run_scoring
from students.access import district_today
from students.models import AuditEvent, Enrollment, Student

AT_ONCE = 1_000


def past_day(day: dt.date | None, today: dt.date) -> dt.date:
    """Return the day asked about; ValidationError for a future one."""
    if day is not None and day > today:
        raise ValidationError({"as_of": f"{day} lies in the future; today is {today}."})
    return day or today


class NewestFirst(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    ordering: Any = ("-created_at", "-id")


class PredictView(APIView):
    permission_classes = [IsStaffMember]

    @extend_schema(request=PredictSerializer, responses={200: PredictionSerializer}, tags=["predictions"])
    def post(self, request: Request) -> Response:
        """Score one student at the close of the last week before `as_of`, with reasons."""
        asked = PredictSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        today = district_today()
        as_of = past_day(asked.validated_data.get("as_of"), today)
        student = (
            Student.objects.visible_to(request.user, today)
            .filter(district_id=asked.validated_data["student_id"])
            .first()
        )
        if student is None:
            raise NotFound("No such student, or none that you may see.")
        try:
            made = predict_one(
                student, as_of, today=today, include_factors=asked.validated_data["include_factors"]
            )
        except NoLiveModel as error:
            raise Unavailable(str(error)) from error
        if made is None:
            raise NotFound("The student was not enrolled at the close of that week.")
        AuditEvent.record("predict", "prediction", made.uuid, actor=request.user, request_id=request_id.get())
        return Response(PredictionSerializer(made).data)


class PredictBatchView(APIView):
    permission_classes = [IsStaffMember]

    @extend_schema(
        request=PredictBatchSerializer,
        responses={200: BatchAnswerSerializer, 202: TaskSerializer},
        tags=["predictions"],
    )
    def post(self, request: Request) -> Response:
        """Score many students: up to 1,000 at once, more as a task."""
        asked = PredictBatchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        today = district_today()
        as_of = past_day(data.get("as_of"), today)
        students = Student.objects.visible_to(request.user, today)
        if "student_ids" in data:
            students = students.filter(district_id__in=data["student_ids"])
        if "school" in data or "grade_level" in data:
            held = Enrollment.objects.filter(start__lte=as_of).filter(Q(end__isnull=True) | Q(end__gt=as_of))
            if "school" in data:
                held = held.filter(school__code=data["school"])
            if "grade_level" in data:
                held = held.filter(grade_level=data["grade_level"])
            students = students.filter(pk__in=held.values("student"))
        ids = dict(students.values_list("district_id", "pk"))
        if len(ids) > AT_ONCE:
            run = ScoringRun.objects.create(
                as_of=as_of,
                student_ids=sorted(ids.values()),
                requested_by=cast(User, request.user),
                reason="batch",
            )
            run_scoring.delay_on_commit(run.pk)
            return Response(task_body(run), status=status.HTTP_202_ACCEPTED)
        try:
            made = predict_many(list(ids.values()), as_of, today=today)
        except NoLiveModel as error:
            raise Unavailable(str(error)) from error
        AuditEvent.objects.bulk_create(
            AuditEvent(
                actor=cast(User, request.user),
                action="predict",
                object_type="prediction",
                object_id=str(p.uuid),
                request_id=request_id.get(),
            )
            for p in made
        )
        scored = {p.student.district_id for p in made}
        return Response(
            {
                "predictions": PredictionSerializer(made, many=True).data,
                "missing": [name for name in data.get("student_ids", []) if name not in ids],
                "not_enrolled": sorted(set(ids) - scored),
            }
        )


class PredictionFilter(filters.FilterSet):
    student_id = filters.CharFilter(field_name="student__district_id")
    window_end = filters.DateFromToRangeFilter()
    risk_level = filters.ChoiceFilter(choices=Prediction.Level.choices[:3])
    model_version = filters.CharFilter(field_name="model__version")

    class Meta:
        model = Prediction
        fields = ["student_id", "window_end", "risk_level", "model_version", "retrospective"]


@extend_schema(tags=["predictions"])
class PredictionViewSet(viewsets.ReadOnlyModelViewSet):
    """Stored predictions of the students that the caller may see, newest first."""

    permission_classes = [IsStaffMember]
    serializer_class = PredictionSerializer
    pagination_class = NewestFirst
    filterset_class = PredictionFilter
    queryset = Prediction.objects.none()
    lookup_field = "uuid"
    lookup_value_regex = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    def get_queryset(self) -> QuerySet[Prediction]:
        if getattr(self, "swagger_fake_view", False):
            return Prediction.objects.none()
        return Prediction.objects.visible_to(self.request.user, district_today()).select_related(
            "student", "model"
        )

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        read(request, "prediction", [str(p.uuid) for p in page])
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = self.get_object()
        read(request, "prediction", [str(found.uuid)])
        return Response(self.get_serializer(found).data)


def read(request: Request, kind: str, ids: list[str]) -> None:
    """Write one audit event for each object that is about to be shown."""
    AuditEvent.objects.bulk_create(
        AuditEvent(
            actor=cast(User, request.user),
            action="read",
            object_type=kind,
            object_id=each,
            request_id=request_id.get(),
        )
        for each in ids
    )


@extend_schema(tags=["feedback"])
class FeedbackViewSet(mixins.ListModelMixin, mixins.CreateModelMixin, viewsets.GenericViewSet):
    """Counselors' answers to predictions."""

    permission_classes = [IsStaffMember]
    serializer_class = FeedbackSerializer
    pagination_class = NewestFirst
    queryset = TrainingFeedback.objects.none()

    def get_queryset(self) -> QuerySet[TrainingFeedback]:
        if getattr(self, "swagger_fake_view", False):
            return TrainingFeedback.objects.none()
        reachable = Prediction.objects.visible_to(self.request.user, district_today())
        return TrainingFeedback.objects.filter(prediction__in=reachable.values("pk")).select_related(
            "prediction", "user"
        )

    def get_serializer_context(self) -> dict[str, Any]:
        context: dict[str, Any] = {**super().get_serializer_context()}
        if not getattr(self, "swagger_fake_view", False):
            context["predictions"] = Prediction.objects.visible_to(self.request.user, district_today())
        return context

    def perform_create(self, serializer: Any) -> None:
        data = serializer.validated_data
        serializer.instance = record_feedback(
            data["prediction"], self.request.user, data["verdict"], data.get("note", "")
        )
