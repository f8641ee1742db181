from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("datasets.urls")),
    path("", include("exports.urls")),
    path("", include("vi_portal.accounts.urls")),
    path("admin/", admin.site.urls),
]
