from django.urls import path

from vi_portal.accounts import key_views, views

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("settings/keys/", key_views.keys, name="secret-keys"),
    path("settings/keys/<int:pk>/revoke/", key_views.revoke, name="revoke-key"),
]
