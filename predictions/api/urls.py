"""The addresses of /api/v1."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from predictions.api.operating import ImportViewSet, MetricsView, ModelViewSet, TrainView, UploadView
from predictions.api.predicting import FeedbackViewSet, PredictBatchView, PredictionViewSet, PredictView
from predictions.api.records import StudentViewSet
from predictions.api.tasks import TaskView
from predictions.api.tokens import Token, TokenRefresh, TokenRevoke

router = SimpleRouter(trailing_slash=False)
router.register("predictions", PredictionViewSet, basename="api-prediction")
router.register("feedback", FeedbackViewSet, basename="api-feedback")
router.register("models", ModelViewSet, basename="api-model")
router.register("students", StudentViewSet, basename="api-student")
router.register("data/imports", ImportViewSet, basename="api-import")

urlpatterns = [
    path("auth/token", Token.as_view(), name="api-token"),
    path("auth/token/refresh", TokenRefresh.as_view(), name="api-token-refresh"),
    path("auth/token/revoke", TokenRevoke.as_view(), name="api-token-revoke"),
    path("predict", PredictView.as_view(), name="api-predict"),
    path("predict/batch", PredictBatchView.as_view(), name="api-predict-batch"),
    path("train/update", TrainView.as_view(), name="api-train"),
    path("tasks/<uuid:task_id>", TaskView.as_view(), name="api-task"),
    path("metrics", MetricsView.as_view(), name="api-metrics"),
    path("data/upload", UploadView.as_view(), name="api-upload"),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include(router.urls)),
]
