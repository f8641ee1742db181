from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "vi_portal.accounts"
    label = "accounts"
    verbose_name = "Accounts"
