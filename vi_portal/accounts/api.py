"""The API's organizations: a key sees the one it was made in."""

from __future__ import annotations

from vi_portal.accounts.schemas import (
    CollaboratorPage,
    OrganizationOut,
    OrganizationPage,
    collaborators_out,
    organization_out,
)
from vi_portal.api.auth import ApiRequest
from vi_portal.api.pages import DEFAULT_SIZE, PageSize
from vi_portal.api.routing import answers, router


@router.get("/workspaces", response=answers(_200=OrganizationPage), tags=["Organizations"])
def list_organizations(request: ApiRequest, s: PageSize = DEFAULT_SIZE, p: str = "") -> OrganizationPage:
    """The organizations the key opens: one."""
    return OrganizationPage(items=[organization_out(request.auth.membership.organization)])


@router.get("/workspaces/{organization_id}", response=answers(_200=OrganizationOut), tags=["Organizations"])
def get_organization(request: ApiRequest, organization_id: str) -> OrganizationOut:
    """One organization."""
    return organization_out(request.auth.membership.organization)


@router.get(
    "/workspaces/{organization_id}/collaborators", response=answers(_200=CollaboratorPage), tags=["Organizations"]
)
def list_collaborators(request: ApiRequest, organization_id: str) -> CollaboratorPage:
    """The members of the organization, all in one page."""
    return collaborators_out(request.auth.membership.organization)
