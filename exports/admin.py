"""Export jobs in the administration: to be looked at, and deleted with their dataset, but not changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from exports.models import ExportJob


@admin.register(ExportJob)
class ExportJobAdmin(admin.ModelAdmin[ExportJob]):
    list_display = ("created_at", "dataset", "user", "format", "state", "percent", "size")
    list_filter = ("state", "format", "dataset__organization")
    list_select_related = ("dataset", "user")
    search_fields = ("id", "dataset__name", "user__username")
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
