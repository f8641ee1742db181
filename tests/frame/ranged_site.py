"""A site of one file, for a real server to serve: FILE and its digest SHA256 come from the environment."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path

from vi_portal.ranges import ranged_response

FILENAME = 'Ventile – 血液 "n".zip'


def download(request: HttpRequest) -> HttpResponseBase:
    file = Path(os.environ["FILE"])
    return ranged_response(
        request,
        file.open("rb"),
        size=file.stat().st_size,
        sha256=os.environ["SHA256"],
        filename=FILENAME,
        content_type="application/zip",
    )


urlpatterns = [path("file", download)]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="of no use", USE_I18N=False)
    application = get_wsgi_application()
