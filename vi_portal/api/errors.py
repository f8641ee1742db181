"""One shape for every error of the API: a status and `{"message": "…"}`, whoever refuses.

Endpoints raise `ApiError`. What Django itself refuses (an unknown address, a method, a body too large, a crash) is
put into the same shape by `message_response` in the middleware.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from vi_portal.logs import masked

#: Addresses of the API. An error under one of them is for a program.
_PREFIXES = ("workspaces", "api", "plans", "dryRuns")

_SENTENCES = {
    400: "The request cannot be read.",
    401: "A secret key is needed: send it as “Authorization: Bearer dtvi_…”.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is too large.",
    500: "Something went wrong on the server. Its log says what, beside this answer's X-Request-Id.",
    503: "The portal cannot reach its database just now. Try again in a moment.",
}


class ApiError(Exception):
    """A refusal: an HTTP status and one sentence for the user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_found(what: str, which: str) -> ApiError:
    """The answer for what is not there, and alike for what belongs to another organization."""
    return ApiError(404, f"There is no {what} “{which[:200]}”.")


def is_api_path(path: str) -> bool:
    return path.lstrip("/").partition("/")[0] in _PREFIXES


def error_response(status: int, message: str = "") -> HttpResponse:
    """An error in the one shape, without keys; with the usual sentence for its status where `message` is empty."""
    sentence = message or _SENTENCES.get(status) or f"{HTTPStatus(status).phrase}."
    response = JsonResponse({"message": masked(sentence)}, status=status)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def message_response(response: HttpResponseBase) -> HttpResponseBase:
    """`response`, in the one shape if it is an error that is not."""
    if response.status_code < HTTPStatus.BAD_REQUEST or response.headers.get("Content-Type") == "application/json":
        return response
    shaped = error_response(response.status_code)
    for name in ("Allow", "Retry-After", "Content-Range", "Accept-Ranges", "ETag"):
        if name in response.headers:
            shaped[name] = response.headers[name]
    # Not closed here: that would end the request for whoever waits for its end, twice.
    shaped._resource_closers += response._resource_closers  # type: ignore[attr-defined]  # Django's own, untold
    return shaped


def add_error_shapes(api: NinjaAPI) -> None:
    """Have `api` answer every refusal in the one shape."""

    def refused(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(error.status, error.message)

    def invalid(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(400, " ".join(map(_sentence, error.errors)))

    def told_by_ninja(request: HttpRequest, error: Any) -> HttpResponse:
        if isinstance(error.__cause__, ApiError):  # what our own reading of bodies said
            return refused(request, error.__cause__)
        return error_response(error.status_code)

    def absent(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(404)

    def too_large(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(413)

    api.add_exception_handler(ApiError, refused)
    api.add_exception_handler(ValidationError, invalid)
    api.add_exception_handler(HttpError, told_by_ninja)
    api.add_exception_handler(Http404, absent)
    api.add_exception_handler(RequestDataTooBig, too_large)


def _sentence(error: dict[str, Any]) -> str:
    source, *place = map(str, error["loc"])
    if source == "body":
        place = place[1:]  # The first is what our own code calls the body.
    return f"{'.'.join(place) or 'The body'}: {error['msg']}."
