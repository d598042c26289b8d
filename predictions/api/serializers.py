"""What goes in and out of /api/v1, with its ranges."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ingestion.models import HistoricalDataImport, Kind, RowProblem
from predictions.models import ModelVersion, Prediction, TrainingFeedback
from students.models import AttendanceRecord, CourseGrade, DisciplineIncident, Student
from students.models.student import Grade


class ProblemSerializer(serializers.Serializer):
    """RFC 9457: what every error looks like."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = serializers.ListField(  # type: ignore[assignment]  # the name is RFC 9457's, the clash is in the stubs
        child=serializers.DictField(child=serializers.CharField())
    )
    request_id = serializers.CharField(allow_blank=True)


class StudentSerializer(serializers.ModelSerializer):
    student_id = serializers.CharField(source="district_id")
    id = serializers.UUIDField(source="uuid")
    access_reason = serializers.CharField(help_text="district, school, grade or caseload")

    class Meta:
        model = Student
        fields = ["id", "student_id", "first_name", "last_name", "birth_date", "access_reason"]


class AttendanceSerializer(serializers.ModelSerializer):
    class Meta:
        model = AttendanceRecord
        fields = ["date", "period", "status", "minutes_absent", "minutes_present", "reason", "recorded_at"]


class CourseGradeSerializer(serializers.ModelSerializer):
    class Meta:
        model = CourseGrade
        fields = [
            "date",
            "course_code",
            "course_name",
            "subject",
            "kind",
            "term",
            "assignment_id",
            "score_text",
            "percent",
            "weight",
            "due_date",
            "recorded_at",
        ]


class DisciplineSerializer(serializers.ModelSerializer):
    class Meta:
        model = DisciplineIncident
        fields = ["date", "incident_type", "action", "days_removed", "severity", "role", "recorded_at"]


class FactorSerializer(serializers.Serializer):
    domain = serializers.CharField()
    feature = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    typical = serializers.FloatField(allow_null=True)
    contribution = serializers.FloatField()
    direction = serializers.ChoiceField(choices=["raises", "lowers"])
    text = serializers.CharField()


class ConfidenceSerializer(serializers.Serializer):
    low = serializers.FloatField(min_value=0, max_value=1)
    high = serializers.FloatField(min_value=0, max_value=1)


class DomainsSerializer(serializers.Serializer):
    attendance = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    behavior = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    course = serializers.FloatField(allow_null=True, min_value=0, max_value=1)


class WeekSerializer(serializers.Serializer):
    week = serializers.DateField()
    attention = serializers.FloatField()


class PredictionSerializer(serializers.Serializer):
    """A prediction as programs see it."""

    id = serializers.UUIDField()
    student_id = serializers.CharField()
    as_of = serializers.DateField()
    window_end = serializers.DateField()
    model_version = serializers.CharField()
    feature_version = serializers.CharField()
    ranked_by = serializers.CharField()
    risk_score = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    risk_level = serializers.CharField(allow_blank=True)
    confidence = ConfidenceSerializer(allow_null=True)
    domains = DomainsSerializer()
    risk_factors = FactorSerializer(many=True, allow_null=True)
    weeks = WeekSerializer(many=True)
    enough_data = serializers.BooleanField()
    retrospective = serializers.BooleanField()
    in_sample = serializers.BooleanField()
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Prediction) -> dict[str, Any]:
        confidence = None
        if instance.confidence_low is not None:
            confidence = {"low": instance.confidence_low, "high": instance.confidence_high}
        return {
            "id": str(instance.uuid),
            "student_id": instance.student.district_id,
            "as_of": instance.as_of.isoformat(),
            "window_end": instance.window_end.isoformat(),
            "model_version": instance.model.version,
            "feature_version": instance.feature_version,
            "ranked_by": instance.model.ranking,
            "risk_score": instance.risk_score,
            "risk_level": instance.risk_level,
            "confidence": confidence,
            "domains": {
                "attendance": instance.attendance_score,
                "behavior": instance.behavior_score,
                "course": instance.course_score,
            },
            "risk_factors": instance.factors,
            "weeks": instance.weeks,
            "enough_data": instance.enough_data,
            "retrospective": instance.retrospective,
            "in_sample": instance.in_sample,
            "created_at": instance.created_at.isoformat(),
        }


class PredictSerializer(serializers.Serializer):
    student_id = serializers.CharField(max_length=64)
    as_of = serializers.DateField(required=False)
    include_factors = serializers.BooleanField(default=True)


class PredictBatchSerializer(serializers.Serializer):
    """Either ids or a filter; without either, every student whom the caller may see."""

    student_ids = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, max_length=50_000, min_length=1
    )
    school = serializers.CharField(max_length=40, required=False)
    grade_level = serializers.ChoiceField(choices=Grade.choices, required=False)
    as_of = serializers.DateField(required=False)


class BatchAnswerSerializer(serializers.Serializer):
    predictions = PredictionSerializer(many=True)
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Ids that name nobody you may see"
    )
    not_enrolled = serializers.ListField(
        child=serializers.CharField(), help_text="Not enrolled at that week's close"
    )


class TaskSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=["import", "scoring", "training"])
    state = serializers.CharField()
    progress = serializers.FloatField(min_value=0, max_value=1)
    stage = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    url = serializers.CharField()


class FeedbackSerializer(serializers.ModelSerializer):
    prediction = serializers.SlugRelatedField(slug_field="uuid", queryset=Prediction.objects.none())
    user = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = TrainingFeedback
        fields = ["prediction", "verdict", "note", "user", "created_at"]
        read_only_fields = ["user", "created_at"]

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        reachable = self.context.get("predictions")
        if reachable is not None:
            fields["prediction"].queryset = reachable
        return fields


class TrainSerializer(serializers.Serializer):
    as_of = serializers.DateField(required=False)
    reason = serializers.CharField(max_length=500, required=False, default="")


class ModelSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelVersion
        fields = [
            "version",
            "status",
            "ranking",
            "feature_version",
            "label_definition",
            "as_of",
            "trained_years",
            "hold_reason",
            "created_at",
            "promoted_at",
        ]


class MetricsSerializer(serializers.Serializer):
    version = serializers.CharField()
    ranking = serializers.CharField()
    report = serializers.DictField(help_text="As `train --json` prints it: by head, week and model")


class UploadSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=Kind.choices)
    file = serializers.FileField(allow_empty_file=False)
    mapping = serializers.CharField(max_length=80, required=False)
    dry_run = serializers.BooleanField(default=False)


class ImportSerializer(serializers.ModelSerializer):
    id = serializers.UUIDField(source="uuid")

    class Meta:
        model = HistoricalDataImport
        fields = [
            "id",
            "kind",
            "filename",
            "state",
            "message",
            "dry_run",
            "notices",
            "rows_read",
            "inserted",
            "updated",
            "unchanged",
            "duplicate",
            "protected",
            "rejected",
            "progress",
            "created_at",
            "finished_at",
        ]


class RowProblemSerializer(serializers.ModelSerializer):
    class Meta:
        model = RowProblem
        fields = ["line", "column", "value", "code", "message"]
