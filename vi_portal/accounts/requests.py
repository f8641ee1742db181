"""What a view may count on behind the sign-in."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from vi_portal.accounts.models import User


class SignedInRequest(HttpRequest):
    """A request that passed the sign-in, with what the middleware adds."""

    user: User
    htmx: HtmxDetails
