from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "edupulse_site"
    verbose_name = "Site"
