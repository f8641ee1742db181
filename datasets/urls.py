from django.urls import path

from datasets import pictures, views

# The id of an asset is the importer's to choose; it may hold a slash.
urlpatterns = [
    path("", views.explorer, name="explorer"),
    path("datasets/<uuid:pk>/", views.overview, name="dataset"),
    path("datasets/<uuid:pk>/assets/", views.assets, name="assets"),
    path("datasets/<uuid:pk>/assets/<path:uid>/image", pictures.image, name="image"),
    path("datasets/<uuid:pk>/assets/<path:uid>/thumbnail", pictures.thumbnail, name="thumbnail"),
    path("datasets/<uuid:pk>/assets/<path:uid>/", views.asset, name="asset"),
]
