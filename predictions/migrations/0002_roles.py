"""What each role may look at of models, features and predictions in the admin."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SEEN = {
    "counselor": ["prediction"],
    "principal": ["prediction", "modelversion", "trainingfeedback"],
    "analyst": [
        "prediction",
        "modelversion",
        "trainingfeedback",
        "trainingrun",
        "scoringrun",
        "evaluationrun",
        "studentfeature",
        "cohortweek",
    ],
    "data staff": ["modelversion", "scoringrun", "studentfeature", "cohortweek"],
}
SEEN["district admin"] = SEEN["analyst"]


def give(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for label in ("features", "predictions"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, models in SEEN.items():
        codenames = [f"view_{model}" for model in models]
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.filter(
                content_type__app_label__in=["features", "predictions"], codename__in=codenames
            )
        )


def take_away(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    through = apps.get_model("auth", "Group").permissions.through
    through.objects.filter(
        permission__content_type__app_label__in=["features", "predictions"], group__name__in=SEEN
    ).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0001_initial"),
        ("features", "0001_initial"),
        ("students", "0002_roles"),
    ]

    operations = [migrations.RunPython(give, take_away)]
