"""Signing in and out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.http import HttpResponseClientRefresh

_login = LoginView.as_view(template_name="accounts/sign_in.html", redirect_authenticated_user=True)
_logout = LogoutView.as_view()


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """The sign-in page. A partial whose session is over makes its whole page come here."""
    if request.headers.get("HX-Request"):
        return HttpResponseClientRefresh()
    return _login(request)


@login_not_required
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """Over and out; signing out twice is no mistake."""
    return _logout(request)
