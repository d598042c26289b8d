"""Every address: pages, API, admin, health, metrics."""

from django.contrib import admin
from django.urls import include, path

from edupulse_site import health

urlpatterns = [
    path("", include("predictions.urls")),
    path("api/v1/health", health.health, name="health"),
    path("api/v1/ready", health.ready, name="ready"),
    path("api/v1/", include("predictions.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("django_prometheus.urls")),
]

handler404 = "predictions.api.errors.not_found"
handler500 = "predictions.api.errors.server_error"
