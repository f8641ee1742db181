"""The API, at the root of the host as its clients expect: every app's endpoints, and the document about them."""

from __future__ import annotations

from importlib import import_module

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import URLPattern
from ninja import NinjaAPI

from vi_portal.api.errors import add_error_shapes
from vi_portal.api.json_bodies import JsonBodies
from vi_portal.api.routing import router

#: The modules whose endpoints there are. Named, not imported: the frame knows nothing of its apps.
ENDPOINTS = (
    "vi_portal.accounts.api",
    "datasets.api.datasets",
    "datasets.api.assets",
    "datasets.api.images",
    "datasets.api.annotations",
    "datasets.api.bulk_deletions",
    "datasets.api.ingestion",
    "datasets.api.imports",
    "exports.api",
)

api = NinjaAPI(
    title="Vi Portal",
    version="1",
    description=(
        "Datasets, assets, annotations and exports, for programs. Every call needs a secret key from "
        "the Settings page. "
        'Every error is `{"message": "…"}`.'
    ),
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
    # The page draws itself with inline styles. They are allowed there and nowhere else.
    docs_decorator=csp_update({"style-src": [SELF, UNSAFE_INLINE]}),
    parser=JsonBodies(),
)
add_error_shapes(api)
for _module in ENDPOINTS:
    import_module(_module)
api.add_router("", router)


#: The API's addresses, for `path("", …)`. Keys open them, so the sign-in of the pages is not asked for.
urls = api.urls
for _pattern in urls[0]:
    if isinstance(_pattern, URLPattern):
        _pattern.callback.login_required = False  # type: ignore[attr-defined]  # views may have it
