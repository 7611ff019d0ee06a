"""`ENGINE = "pgpoolsafe_django.postgis"`."""
