"""Model versions, the runs that made and used them, their predictions, and what counselors answered."""

from predictions.models.feedback import TrainingFeedback
from predictions.models.prediction import Prediction
from predictions.models.runs import EvaluationRun, ScoringRun, TrainingRun
from predictions.models.version import ModelVersion

__all__ = [
    "EvaluationRun",
    "ModelVersion",
    "Prediction",
    "ScoringRun",
    "TrainingFeedback",
    "TrainingRun",
]
