"""Models, training and uploads."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingestion.loading import start_import
from ingestion.models import ColumnMapping, HistoricalDataImport, RowProblem
from ingestion.tasks import load_import
from predictions.api.access import MayImport, MaySeeModels, MayTrain
from predictions.api.errors import Conflict
from predictions.api.predicting import NewestFirst, past_day
from predictions.api.records import ByKey
from predictions.api.serializers import (
    ImportSerializer,
    MetricsSerializer,
    ModelSerializer,
    RowProblemSerializer,
    TaskSerializer,
    TrainSerializer,
    UploadSerializer,
)
from predictions.api.tasks import task_body
from predictions.models import ModelVersion, TrainingRun
from predictions.promotion import CannotPromote, promote
from predictions.tasks import train_model
from students.access import district_today


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class TrainView(APIView):
    permission_classes = [MayTrain]

    @extend_schema(request=TrainSerializer, responses={202: TaskSerializer}, tags=["models"])
    def post(self, request: Request) -> Response:
        """Ask for a training as of a day; answers with the task, or 409 while one waits or runs."""
        asked = TrainSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        today = district_today()
        as_of = past_day(asked.validated_data.get("as_of"), today)
        with transaction.atomic():
            busy = TrainingRun.objects.select_for_update().unfinished(timezone.now())
            if busy.exists():
                raise Conflict("A training waits or runs already; see its task.")
            run = TrainingRun.objects.create(
                as_of=as_of, requested_by=cast(User, request.user), reason=asked.validated_data["reason"]
            )
            train_model.delay_on_commit(run.pk)
        return Response(task_body(run), status=status.HTTP_202_ACCEPTED)


class MetricsView(APIView):
    permission_classes = [MaySeeModels]

    @extend_schema(responses={200: MetricsSerializer}, tags=["models"])
    def get(self, request: Request) -> Response:
        """Return how good the live model is, beside logistic regression and the rule."""
        live = ModelVersion.objects.live()
        if live is None:
            raise NotFound("No model is in use yet.")
        return Response({"version": live.version, "ranking": live.ranking, "report": live.metrics})


@extend_schema(tags=["models"])
class ModelViewSet(viewsets.ReadOnlyModelViewSet):
    """Model versions, newest first."""

    permission_classes = [MaySeeModels]
    serializer_class = ModelSerializer
    pagination_class = NewestFirst
    queryset = ModelVersion.objects.all()
    lookup_field = "version"
    lookup_value_regex = r"[\w.\-]{1,40}"

    @extend_schema(request=None, responses={200: ModelSerializer})
    @action(detail=True, methods=["post"], permission_classes=[MayTrain])
    def promote(self, request: Request, version: str) -> Response:
        """Put this version in use."""
        try:
            return Response(ModelSerializer(promote(version, request.user)).data)
        except CannotPromote as error:
            raise NotFound(str(error)) from error


class UploadView(APIView):
    permission_classes = [MayImport]
    parser_classes = [MultiPartParser]

    @extend_schema(
        request={"multipart/form-data": UploadSerializer}, responses={202: TaskSerializer}, tags=["data"]
    )
    def post(self, request: Request) -> Response:
        """Upload a file; a worker reads it. The task says how far it is, the import what became of it."""
        asked = UploadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data: dict[str, Any] = asked.validated_data
        if data["file"].size > settings.UPLOAD_MAX_MB * 1024 * 1024:
            raise TooLarge(
                f"The file is larger than {settings.UPLOAD_MAX_MB} MB; pack it as .csv.gz or split it."
            )
        mapping = None
        if data.get("mapping"):
            mapping = ColumnMapping.objects.filter(name=data["mapping"], kind=data["kind"]).first()
            if mapping is None:
                raise ValidationError({"mapping": f"No mapping for {data['kind']} has this name."})
        with transaction.atomic():
            made = start_import(
                data["kind"],
                data["file"],
                PurePath(data["file"].name).name,
                user=request.user,
                mapping=mapping,
                dry_run=data["dry_run"],
            )
            load_import.delay_on_commit(made.pk)
        return Response(task_body(made), status=status.HTTP_202_ACCEPTED)


@extend_schema(tags=["data"])
class ImportViewSet(viewsets.ReadOnlyModelViewSet):
    """Imports and what became of their rows."""

    permission_classes = [MayImport]
    serializer_class = ImportSerializer
    pagination_class = NewestFirst
    queryset = HistoricalDataImport.objects.all()
    lookup_field = "uuid"
    lookup_value_regex = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    @extend_schema(responses=RowProblemSerializer(many=True))
    @action(detail=True, pagination_class=ByKey)
    def problems(self, request: Request, uuid: str) -> Response:
        """Rejected rows with line, column, value and reason."""
        rows: QuerySet[RowProblem] = self.get_object().problems.all()
        paginator = ByKey()
        page = paginator.paginate_queryset(rows, request, view=self)
        return paginator.get_paginated_response(RowProblemSerializer(page, many=True).data)
