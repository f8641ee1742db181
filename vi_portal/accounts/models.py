"""Who uses the portal: users, the organizations they belong to, and what each may do there."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from vi_portal.accounts import keys


class User(AbstractUser):
    """A person who signs in."""

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def of(self, user: User) -> OrganizationQuerySet:
        """The organizations `user` is a member of, by name."""
        return self.filter(memberships__user=user).order_by("name", "id")


class Organization(models.Model):
    """A team, and the wall around its datasets."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    EDITOR = "editor", "Editor"
    VIEWER = "viewer", "Viewer"


class Membership(models.Model):
    """One user's place in one organization."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    viewer_may_export = models.BooleanField(
        default=False, help_text="Lets a viewer export as well; owners and editors always may."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_user"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()}) in {self.organization}"

    @property
    def may_export(self) -> bool:
        return self.may_edit or self.viewer_may_export

    @property
    def may_edit(self) -> bool:
        return self.role in (Role.OWNER, Role.EDITOR)


class SecretKeyQuerySet(models.QuerySet["SecretKey"]):
    def usable(self) -> SecretKeyQuerySet:
        """The keys that open anything: not revoked, and of an active user."""
        usable = self.filter(revoked_at=None, membership__user__is_active=True)
        return usable.select_related("membership__user", "membership__organization")

    @sensitive_variables()
    def find(self, text: str) -> SecretKey | None:
        """The usable key whose text is `text`. It is looked up by its digest, so the time taken tells nothing."""
        return self.usable().filter(digest=keys.digest(text)).first() if keys.is_key(text) else None

    @sensitive_variables()
    def make(self, *, membership: Membership, name: str, read_only: bool) -> tuple[SecretKey, str]:
        """A new key and its text, which is known to nobody afterwards but its owner."""
        text = keys.new_key()
        key = self.create(membership=membership, name=name, read_only=read_only, digest=keys.digest(text))
        return key, text


class SecretKey(models.Model):
    """What a program shows in place of a person: one membership's rights, or only those to read.

    It dies with the membership. Only its digest is stored.
    """

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="secret_keys")
    name = models.CharField(max_length=100)
    read_only = models.BooleanField(default=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = SecretKeyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=~Q(name=""), name="secret_key_named")]

    def __str__(self) -> str:
        return self.name

    def note_use(self) -> None:
        """Remember that the key was used now; written at most once a minute."""
        before = timezone.now() - timedelta(minutes=1)
        if self.last_used_at is None or self.last_used_at < before:
            stale = Q(last_used_at=None) | Q(last_used_at__lt=before)
            SecretKey.objects.filter(stale, pk=self.pk).update(last_used_at=Now())

    def revoke(self) -> None:
        """Make the key worthless, for good."""
        SecretKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=Now())
