from django.urls import path, register_converter
from django.urls.converters import StringConverter

from datasets import pictures, removal_views, upload_views, views


class UidConverter(StringConverter):
    """The public id of an asset. With a NUL in it there is none: PostgreSQL would not even look."""

    regex = "[^/\\x00]+"


register_converter(UidConverter, "uid")

urlpatterns = [
    path("", views.explorer, name="explorer"),
    path("datasets/<uuid:pk>/", views.overview, name="dataset"),
    path("datasets/<uuid:pk>/delete/", removal_views.delete_dataset, name="delete-dataset"),
    path("datasets/<uuid:pk>/upload/", upload_views.upload, name="upload"),
    path("imports/<uuid:pk>/cancel/", upload_views.cancel_import, name="cancel-import"),
    path("datasets/<uuid:pk>/assets/", views.assets, name="assets"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/", views.asset, name="asset"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/delete/", removal_views.delete_asset, name="delete-asset"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/image", pictures.image, name="image"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/thumbnail", pictures.thumbnail, name="thumbnail"),
]
