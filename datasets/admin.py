"""Datasets, their assets and annotations, for the person who runs the portal.

Assets and annotations are looked at here, not written: their derived columns are kept true by the mutators of
`Dataset` alone.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from datasets.models import Annotation, Asset, Dataset


@admin.register(Dataset)
class DatasetAdmin(admin.ModelAdmin[Dataset]):
    list_display = ("name", "organization", "type", "revision", "updated_at")
    list_filter = ("type",)
    list_select_related = ("organization",)
    search_fields = ("name", "organization__name")
    raw_id_fields = ("organization",)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shows rows and changes none. Counting or searching them all would take long; lists are paged by id."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Asset)
class AssetAdmin(ReadOnlyAdmin):
    list_display = ("filename", "dataset", "width", "height", "mime_type", "flaw")
    list_select_related = ("dataset",)
    search_fields = ("=uid", "filename")
    raw_id_fields = ("dataset",)


@admin.register(Annotation)
class AnnotationAdmin(ReadOnlyAdmin):
    list_display = ("uid", "asset", "category", "flawed", "updated_at")
    list_select_related = ("asset",)
    search_fields = ("=uid", "asset__filename")
    raw_id_fields = ("asset",)
