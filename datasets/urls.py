from django.urls import path

from datasets import pictures, views

urlpatterns = [
    path("", views.explorer, name="explorer"),
    path("datasets/<uuid:pk>/", views.overview, name="dataset"),
    path("datasets/<uuid:pk>/assets/", views.assets, name="assets"),
    path("datasets/<uuid:pk>/assets/<str:uid>/", views.asset, name="asset"),
    path("datasets/<uuid:pk>/assets/<str:uid>/image", pictures.image, name="image"),
    path("datasets/<uuid:pk>/assets/<str:uid>/thumbnail", pictures.thumbnail, name="thumbnail"),
]
