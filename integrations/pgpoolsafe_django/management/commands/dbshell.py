"""`dbshell`, on the direct endpoint where PGPOOLSAFE names one."""

from __future__ import annotations

from pgpoolsafe_django.routing import routed

Command = routed("dbshell")
