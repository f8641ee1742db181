"""Who calls: a secret key, and through it one membership."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja.security.http import HttpAuthBase

from vi_portal.accounts.models import Organization, SecretKey
from vi_portal.api.errors import ApiError, not_found


class ApiRequest(HttpRequest):
    """A request that a secret key has opened."""

    auth: SecretKey


class SecretKeyAuth(HttpAuthBase):
    """`Authorization: Bearer dtvi_…`, and an organization (in the address, in `Organization-Id`) that is the key's.

    401 for a key that is wrong, revoked, or whose user is gone; 404 for an organization that is not the key's.
    """

    openapi_scheme = "bearer"

    @sensitive_variables()
    def __call__(self, request: HttpRequest) -> Any:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise ApiError(401, "A secret key is needed: send it as “Authorization: Bearer dtvi_…”.")
        key = SecretKey.objects.find(text.strip())
        if key is None:
            raise ApiError(
                401, "This secret key is not valid. It may have been revoked; make one on the Settings page."
            )
        _check_organization(request, key.membership.organization)
        key.note_use()
        return key


def require_edit(request: ApiRequest) -> None:
    """Raise `ApiError` 403 unless the key may change datasets."""
    if request.auth.read_only:
        raise ApiError(403, f"The secret key “{request.auth.name}” is read-only. Use one that may change things.")
    if not request.auth.membership.may_edit:
        raise ApiError(403, "You may look at this organization's datasets, but not change them.")


def require_export(request: ApiRequest) -> None:
    """Raise `ApiError` 403 unless the key's member may export. A read-only key may: an export changes nothing."""
    if not request.auth.membership.may_export:
        raise ApiError(403, "You may not export. Ask an owner of the organization to allow you to.")


def _check_organization(request: HttpRequest, own: Organization) -> None:
    match = request.resolver_match
    named = match.kwargs.get("organization_id") if match else None
    header = request.headers.get("Organization-Id")
    for given in (named, header):
        if given is not None and given.strip().lower() != str(own.pk):
            if given is header and named is not None:
                raise ApiError(400, "The Organization-Id header names another organization than the address does.")
            raise not_found("organization", given)
