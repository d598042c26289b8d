"""Students and their records, read only; every read is audited."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from features.definitions import NAMES
from features.models import StudentFeature
from predictions.api.access import IsStaffMember
from predictions.api.predicting import NewestFirst, read
from predictions.api.serializers import (
    AttendanceSerializer,
    CourseGradeSerializer,
    DisciplineSerializer,
    PredictionSerializer,
    StudentSerializer,
)
from predictions.models import Prediction
from students.access import district_today
from students.models import AttendanceRecord, CourseGrade, DisciplineIncident, Student


class ByKey(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    ordering: Any = "id"


class NewestDay(NewestFirst):
    page_size = 200
    ordering = ("-date", "-id")


class NewestWeek(NewestFirst):
    ordering = ("-week", "-id")


class StudentFeatureSerializer(serializers.ModelSerializer):
    class Meta:
        model = StudentFeature
        fields = ["week", "week_end", "school_year", *NAMES]


class StudentFilter(filters.FilterSet):
    student_id = filters.CharFilter(field_name="district_id")
    last_name = filters.CharFilter(lookup_expr="iexact")
    school = filters.CharFilter(field_name="enrollments__school__code", distinct=True)

    class Meta:
        model = Student
        fields = ["student_id", "last_name", "school"]


@extend_schema(tags=["students"])
class StudentViewSet(viewsets.ReadOnlyModelViewSet):
    """Students whom the caller may see, and why."""

    permission_classes = [IsStaffMember]
    serializer_class = StudentSerializer
    pagination_class = ByKey
    filterset_class = StudentFilter
    queryset = Student.objects.none()
    lookup_field = "uuid"
    lookup_value_regex = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    def get_queryset(self) -> QuerySet[Student]:
        if getattr(self, "swagger_fake_view", False):
            return Student.objects.none()
        return Student.objects.visible_to(self.request.user, district_today())

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        read(request, "student", [str(s.uuid) for s in page])
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = self.get_object()
        read(request, "student", [str(found.uuid)])
        return Response(self.get_serializer(found).data)

    def _records(
        self, request: Request, rows: QuerySet[Any], serializer: Any, pages: type[CursorPagination]
    ) -> Response:
        student = self.get_object()
        read(request, "student", [str(student.uuid)])
        paginator = pages()
        page = paginator.paginate_queryset(rows.filter(student=student), request, view=self)
        return paginator.get_paginated_response(serializer(page, many=True).data)

    @extend_schema(responses=AttendanceSerializer(many=True))
    @action(detail=True, pagination_class=NewestDay, filterset_class=None)
    def attendance(self, request: Request, uuid: str) -> Response:
        """Attendance, the latest day first."""
        return self._records(request, AttendanceRecord.objects.all(), AttendanceSerializer, NewestDay)

    @extend_schema(responses=CourseGradeSerializer(many=True))
    @action(detail=True, pagination_class=NewestDay, filterset_class=None)
    def grades(self, request: Request, uuid: str) -> Response:
        """Grades, the latest first."""
        return self._records(request, CourseGrade.objects.all(), CourseGradeSerializer, NewestDay)

    @extend_schema(responses=DisciplineSerializer(many=True))
    @action(detail=True, pagination_class=NewestDay, filterset_class=None)
    def discipline(self, request: Request, uuid: str) -> Response:
        """Incidents, the latest first."""
        return self._records(request, DisciplineIncident.objects.all(), DisciplineSerializer, NewestDay)

    @extend_schema(responses=StudentFeatureSerializer(many=True))
    @action(detail=True, pagination_class=NewestWeek, filterset_class=None)
    def features(self, request: Request, uuid: str) -> Response:
        """Weekly features, the latest week first."""
        return self._records(request, StudentFeature.objects.all(), StudentFeatureSerializer, NewestWeek)

    @extend_schema(responses=PredictionSerializer(many=True))
    @action(detail=True, pagination_class=NewestFirst, filterset_class=None)
    def predictions(self, request: Request, uuid: str) -> Response:
        """Stored predictions, the newest first."""
        rows = Prediction.objects.select_related("student", "model")
        return self._records(request, rows, PredictionSerializer, NewestFirst)
