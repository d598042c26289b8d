"""The pages' addresses."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from predictions.pages import views

urlpatterns = [
    path("", views.caseload, name="caseload"),
    path("students/<uuid:student_uuid>/", views.student, name="student"),
    path("students/<uuid:student_uuid>/interventions/", views.intervention, name="intervention"),
    path("predictions/<uuid:prediction_uuid>/feedback/", views.feedback, name="feedback"),
    path("model/", views.model, name="model"),
    path("model/promote/", views.promote_model, name="promote-model"),
    path(
        "login/",
        LoginView.as_view(template_name="login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
