"""Signing in and out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import views
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.http import HttpResponseClientRefresh


class SignIn(views.LoginView):
    """The sign-in page. A partial that finds its session over makes the whole page come here."""

    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.headers.get("HX-Request"):
            return HttpResponseClientRefresh()
        return super().dispatch(request, *args, **kwargs)


sign_in = SignIn.as_view()
sign_out = views.LogoutView.as_view()
