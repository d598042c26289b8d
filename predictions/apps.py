from django.apps import AppConfig


class PredictionsConfig(AppConfig):
    name = "predictions"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Models and predictions"

    def ready(self) -> None:
        from edupulse_site.health import CHECKS
        from predictions.serving import check_model

        CHECKS["model"] = check_model
