from django.contrib import admin
from django.urls import include, path

from vi_portal import routes
from vi_portal.health import healthz
from vi_portal.metrics import metrics

handler400 = "vi_portal.bad_requests.bad_request"
handler500 = "vi_portal.outages.server_error"

urlpatterns = [
    path("", include("datasets.urls")),
    path("", include("exports.urls")),
    path("", include("vi_portal.accounts.urls")),
    path("", include("vi_portal.jobs.urls")),
    path("healthz", healthz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("", routes.urls),
]
