"""Views, sync and async."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import HttpResponse

from .models import Item


def timeout() -> str:
    """The statement timeout that the server holds to."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


def now(request: Any) -> HttpResponse:
    """In autocommit, and in a transaction."""
    alone = timeout()
    with transaction.atomic():
        return HttpResponse(f"{alone} {timeout()}")


async def later(request: Any) -> HttpResponse:
    """The same by Django's async ORM."""
    await Item.objects.acount()
    return HttpResponse(await sync_to_async(timeout)())
