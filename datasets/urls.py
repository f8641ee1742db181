from django.urls import path

from datasets import pictures, removal_views, upload_views, views

urlpatterns = [
    path("", views.explorer, name="explorer"),
    path("datasets/<uuid:pk>/", views.overview, name="dataset"),
    path("datasets/<uuid:pk>/delete/", removal_views.delete_dataset, name="delete-dataset"),
    path("datasets/<uuid:pk>/upload/", upload_views.upload, name="upload"),
    path("imports/<uuid:pk>/cancel/", upload_views.cancel_import, name="cancel-import"),
    path("datasets/<uuid:pk>/assets/", views.assets, name="assets"),
    path("datasets/<uuid:pk>/assets/<str:uid>/", views.asset, name="asset"),
    path("datasets/<uuid:pk>/assets/<str:uid>/delete/", removal_views.delete_asset, name="delete-asset"),
    path("datasets/<uuid:pk>/assets/<str:uid>/image", pictures.image, name="image"),
    path("datasets/<uuid:pk>/assets/<str:uid>/thumbnail", pictures.thumbnail, name="thumbnail"),
]
