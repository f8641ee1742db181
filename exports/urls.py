from django.urls import path

from exports import downloads, import_views, views

urlpatterns = [
    path("datasets/<uuid:pk>/annotations/", views.annotations_page, name="annotations"),
    path("datasets/<uuid:pk>/annotations/history/", views.job_history, name="job-history"),
    path("datasets/<uuid:pk>/annotations/export/", views.export, name="export"),
    path("datasets/<uuid:pk>/annotations/export/preview/", views.export_preview, name="export-preview"),
    path("exports/<uuid:pk>/cancel/", views.cancel, name="cancel-export"),
    path("exports/<uuid:pk>/repeat/", views.repeat, name="repeat-export"),
    path("exports/<uuid:pk>/delete/", views.delete, name="delete-export"),
    path("imports/<uuid:pk>/cancel/", import_views.cancel_import, name="cancel-import"),
    path("imports/<uuid:pk>/delete/", import_views.delete_import, name="delete-import"),
    path("exports/<uuid:pk>/download/<str:signature>/<str:filename>", downloads.download, name="download"),
]
