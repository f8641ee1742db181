"""Reports of errors, as Django draws them with DEBUG or sends them to ADMINS: they open no door."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from vi_portal.logs import masked


class MaskingReporter(ExceptionReporter):
    """A report without keys and signatures, wherever they stood."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(masked(super().get_traceback_html()))  # noqa: S308 - it was safe before

    def get_traceback_text(self) -> SafeString:
        return mark_safe(masked(super().get_traceback_text()))  # noqa: S308 - it was safe before


class AlwaysCareful(SafeExceptionReporterFilter):
    """Leaves out what code marks as sensitive. Django's own shows it all with DEBUG."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True
