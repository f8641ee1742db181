from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "vi_portal.jobs"
    label = "jobs"
    verbose_name = "Background jobs"
