"""Long work as tasks: imports, scorings and trainings under one shape."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingestion.models import HistoricalDataImport
from predictions.api.access import IsStaffMember
from predictions.api.serializers import TaskSerializer
from predictions.models import ScoringRun, TrainingRun
from students.access import DATA_STAFF, DISTRICT_ADMIN, has_role

KINDS = {HistoricalDataImport: "import", ScoringRun: "scoring", TrainingRun: "training"}


def task_body(run: Any) -> dict[str, Any]:
    """Return an import or run in the shape of a task."""
    return {
        "id": str(run.uuid),
        "kind": KINDS[type(run)],
        "state": run.state,
        "progress": run.progress,
        "stage": run.stage,
        "detail": getattr(run, "message", "") or getattr(run, "reason", ""),
        "url": f"/api/v1/tasks/{run.uuid}",
    }


class TaskView(APIView):
    permission_classes = [IsStaffMember]

    @extend_schema(responses={200: TaskSerializer}, tags=["tasks"])
    def get(self, request: Request, task_id: uuid.UUID) -> Response:
        """Return how far a task is. One's own tasks, or any for data staff and district admins."""
        sees_all = has_role(request.user, DATA_STAFF, DISTRICT_ADMIN)
        for model, owner in (
            (HistoricalDataImport, "uploaded_by"),
            (ScoringRun, "requested_by"),
            (TrainingRun, "requested_by"),
        ):
            mine: dict[str, Any] = {} if sees_all else {owner: request.user}
            found = model._default_manager.filter(uuid=task_id, **mine).first()
            if found is not None:
                return Response(task_body(found))
        raise NotFound("No such task, or none that you may see.")
