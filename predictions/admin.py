"""Models, runs, predictions and answers in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from features.admin import ReadOnlyAdmin
from predictions.models import (
    EvaluationRun,
    ModelVersion,
    Prediction,
    ScoringRun,
    TrainingFeedback,
    TrainingRun,
)
from predictions.promotion import CannotPromote, promote, rollback
from predictions.tables import comparison_table
from students.access import ANALYST, DISTRICT_ADMIN, district_today, has_role


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("version", "status", "ranking", "as_of", "created_at", "promoted_at")
    list_filter = ("status", "ranking")
    exclude = ("metrics",)
    readonly_fields = ("judged",)
    actions = ("promote_version", "go_back")

    @admin.display(description="evaluation")
    def judged(self, model: ModelVersion) -> SafeString:
        """Show the evaluation as the command prints it."""
        parts = [model.metrics.get("why", "")]
        for head, report in model.metrics.get("heads", {}).items():
            parts.append(head)
            parts.append(
                f"not fitted: {report['unfitted']}" if "unfitted" in report else comparison_table(report)
            )
        return format_html("<pre>{}</pre>", "\n\n".join(parts))

    @admin.action(description="Put this version in use", permissions=["view"])
    def promote_version(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        if not has_role(request.user, ANALYST, DISTRICT_ADMIN):
            self.message_user(request, "Your role does not allow this.", messages.ERROR)
            return
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one version.", messages.ERROR)
            return
        try:
            promote(chosen[0].version, request.user)
            self.message_user(request, f"{chosen[0].version} is in use.")
        except CannotPromote as error:
            self.message_user(request, str(error), messages.ERROR)

    @admin.action(description="Go back to the version that was in use before", permissions=["view"])
    def go_back(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        if not has_role(request.user, ANALYST, DISTRICT_ADMIN):
            self.message_user(request, "Your role does not allow this.", messages.ERROR)
            return
        try:
            self.message_user(request, f"{rollback(request.user).version} is in use.")
        except CannotPromote as error:
            self.message_user(request, str(error), messages.ERROR)


@admin.register(TrainingRun, ScoringRun, EvaluationRun)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("uuid", "state", "as_of", "progress", "stage", "queued_at", "finished_at")
    list_filter = ("state",)


class _VisibleAdmin(ReadOnlyAdmin):
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        visible = Prediction.objects.visible_to(request.user, district_today()).values("pk")
        name = "pk__in" if self.model is Prediction else "prediction__in"
        return super().get_queryset(request).filter(**{name: visible})


@admin.register(Prediction)
class PredictionAdmin(_VisibleAdmin):
    list_display = ("student", "window_end", "risk_level", "risk_score", "model", "retrospective")
    list_filter = ("risk_level", "retrospective", "enough_data")
    list_select_related = ("student", "model")
    search_fields = ("student__district_id",)


@admin.register(TrainingFeedback)
class TrainingFeedbackAdmin(_VisibleAdmin):
    list_display = ("prediction", "verdict", "user", "created_at")
    list_filter = ("verdict",)
    list_select_related = ("prediction", "user")
