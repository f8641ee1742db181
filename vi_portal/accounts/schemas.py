"""An organization as the API tells of it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from vi_portal.accounts.models import Organization
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import WireSchema, milliseconds


class Billing(WireSchema):
    """There is none here; the fields are there because clients ask for them."""

    payer: str = ""
    email: str = ""
    subscriber_id: str = ""
    tier: str = "self-hosted"
    ledger: list[Any] = Field(default_factory=list)


class LockStatus(WireSchema):
    is_locked: bool = False


class OrganizationUser(WireSchema):
    workspace_role: str
    datasets: dict[str, str] = Field(default_factory=dict)


class OrganizationOut(WireSchema):
    name: str
    kind: str = "Workspace"
    workspace_id: str
    last_access: int
    datasets: list[str]
    billing: Billing = Billing()
    users: dict[str, OrganizationUser]
    metadata: dict[str, int]
    features: dict[str, Any] = Field(default_factory=dict)
    lock_status: LockStatus = LockStatus()
    self_link: str
    etag: str


class OrganizationPage(WireSchema):
    items: list[OrganizationOut]
    next_page: str | None = None


class CollaboratorOut(WireSchema):
    """A member, and what it is called that it may do."""

    user_id: str
    name: str
    workspace_role: str


class CollaboratorPage(WireSchema):
    items: list[CollaboratorOut]
    next_page: str | None = None


def collaborators_out(organization: Organization) -> CollaboratorPage:
    """All members of `organization`: everybody may see all of its datasets. One query."""
    members = organization.memberships.select_related("user").order_by("pk")
    told = [CollaboratorOut(user_id=str(m.user_id), name=m.user.display_name, workspace_role=m.role) for m in members]
    return CollaboratorPage(items=told)


def organization_out(organization: Organization) -> OrganizationOut:
    """The wire's view of `organization`; two queries."""
    datasets = organization.datasets.order_by("created_at", "pk").values_list("pk", "updated_at")
    members = organization.memberships.order_by("pk").values_list("user_id", "role")
    touched = max([organization.created_at, *(moment for _, moment in datasets)])
    return OrganizationOut(
        name=organization.name,
        workspace_id=str(organization.pk),
        last_access=milliseconds(touched),
        datasets=[f"{organization.pk}_{pk}" for pk, _ in datasets],
        users={str(user): OrganizationUser(workspace_role=role) for user, role in members},
        metadata={"createDate": milliseconds(organization.created_at)},
        self_link=f"/workspaces/{organization.pk}",
        etag=etag_of(organization.name, touched.isoformat(), list(members)),
    )
