from django.contrib import admin
from django.urls import include, path

from vi_portal import routes
from vi_portal.health import healthz

handler400 = "vi_portal.bad_requests.bad_request"

urlpatterns = [
    path("", include("datasets.urls")),
    path("", include("exports.urls")),
    path("", include("vi_portal.accounts.urls")),
    path("", include("vi_portal.jobs.urls")),
    path("healthz", healthz),
    path("admin/", admin.site.urls),
    path("", routes.urls),
]
