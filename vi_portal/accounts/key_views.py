"""The Settings page of secret keys: see them, make one, revoke one. A key is seen once, right after it is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from vi_portal.accounts.models import Membership, SecretKey, User
from vi_portal.accounts.requests import SignedInRequest


class KeyForm(forms.Form):
    """A name, one of the user's organizations, and whether the key may change anything."""

    name = forms.CharField(max_length=100, error_messages={"required": "Give the key a name, like “Notebook”."})
    membership = forms.ModelChoiceField(
        Membership.objects.none(), error_messages={"required": "Choose an organization."}, empty_label=None
    )
    read_only = forms.BooleanField(required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = user.memberships.select_related("organization").order_by("organization__name", "pk")
        field = self.fields["membership"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = mine


@never_cache
@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: SignedInRequest) -> HttpResponse:
    """The keys of the user, and the making of one. What is made is shown in the answer, and nowhere again."""
    form = KeyForm(request.POST or None, user=request.user)
    made: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        key, text = SecretKey.objects.make(
            membership=given["membership"], name=given["name"], read_only=given["read_only"]
        )
        made = {"made": key, "text": text, "endpoint": request.build_absolute_uri("/").rstrip("/")}
        form = KeyForm(user=request.user)
    context = {"form": form, "keys": _keys_of(request.user)} | made
    return render(request, "accounts/keys.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """The question whether, and the end of a key."""
    key = get_object_or_404(_keys_of(request.user), pk=pk)
    if request.method != "POST":
        return render(request, "accounts/revoke_key.html", {"key": key})
    key.revoke()
    messages.success(request, f"The key “{key.name}” is revoked. What uses it gets no answer any more.")
    return redirect("secret-keys")


def _keys_of(user: User) -> Any:
    mine = SecretKey.objects.filter(membership__user=user, revoked_at=None)
    return mine.select_related("membership__organization").order_by("-created_at", "-pk")
