from django.urls import path, register_converter
from django.urls.converters import StringConverter

from datasets.views import browsing, pictures, removal, upload


class UidConverter(StringConverter):
    """The public id of an asset. With a NUL in it there is none: PostgreSQL would not even look."""

    regex = "[^/\\x00]+"


register_converter(UidConverter, "uid")

urlpatterns = [
    path("", browsing.explorer, name="explorer"),
    path("datasets/<uuid:pk>/", browsing.overview, name="dataset"),
    path("datasets/<uuid:pk>/delete/", removal.delete_dataset, name="delete-dataset"),
    path("datasets/<uuid:pk>/upload/", upload.upload, name="upload"),
    path("datasets/<uuid:pk>/assets/", browsing.assets, name="assets"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/", browsing.asset, name="asset"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/delete/", removal.delete_asset, name="delete-asset"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/image", pictures.image, name="image"),
    path("datasets/<uuid:pk>/assets/<uid:uid>/thumbnail", pictures.thumbnail, name="thumbnail"),
]
