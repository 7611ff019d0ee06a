"""Two views that say which statement timeout is in force."""

from __future__ import annotations

from django.urls import path

from .views import later, now

urlpatterns = [path("now/", now), path("later/", later)]
