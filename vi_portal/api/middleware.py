"""Gives every request an id, in the answer and in the log, and every error of the API its shape."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.log import log_response

from vi_portal.api.draining import drain
from vi_portal.api.errors import error_response, is_api_path, message_response
from vi_portal.log_context import begin_request
from vi_portal.logs import masked
from vi_portal.outages import is_outage, sentence, told

HEADER = "X-Request-Id"

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class ApiMiddleware:
    """Outermost of all, so that it sees what every other middleware answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        acceptable = _ACCEPTABLE.fullmatch(given) and given == masked(given)
        request_id = given if acceptable else uuid.uuid4().hex
        begin_request(request, request_id=request_id)
        response = self._get_response(request)
        if is_api_path(request.path_info):
            response = message_response(response)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                drain(request)
        response[HEADER] = request_id
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A crash under the API is logged here, with no page drawn for a program."""
        if not is_api_path(request.path_info):
            return None
        if is_outage(error):
            return told(request, error, error_response(503, f"{sentence(error)} Try again in a moment."))
        response = error_response(500)
        log_response(
            "%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=error
        )
        return response
