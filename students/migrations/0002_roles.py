"""The five roles as groups, each with what its members may do in the admin and the API."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

VIEW_STUDENTS = [
    "student",
    "enrollment",
    "attendancerecord",
    "coursegrade",
    "disciplineincident",
    "outcome",
    "caseload",
    "intervention",
]
VIEW_DISTRICT = ["district", "school", "schoolday", "term", "threshold"]


def view(*models: str) -> set[str]:
    return {f"view_{model}" for model in models}


def edit(*models: str) -> set[str]:
    return {f"{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in models}


ROLES: dict[str, set[str]] = {
    "counselor": view(*VIEW_STUDENTS, "school") | {"add_intervention", "change_intervention"},
    "principal": view(*VIEW_STUDENTS, *VIEW_DISTRICT, "staffscope"),
    "analyst": view(*VIEW_STUDENTS, *VIEW_DISTRICT),
    "data staff": edit(*VIEW_STUDENTS, "school", "schoolday", "term") | view(*VIEW_DISTRICT, "staffscope"),
    "district admin": edit(*VIEW_STUDENTS, "school", "schoolday", "term", "threshold", "staffscope")
    | {"view_district", "change_district", "view_auditevent"},
}


def make_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # Permissions are normally made after all migrations have run; the groups need them now.
    config = apps.get_app_config("students")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, codenames in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.filter(content_type__app_label="students", codename__in=codenames)
        )


def remove_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, remove_roles)]
