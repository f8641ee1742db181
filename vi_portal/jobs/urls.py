from django.urls import path

from vi_portal.jobs import views

urlpatterns = [
    path("queue/", views.queue, name="queue"),
]
