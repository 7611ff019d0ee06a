"""Texts nobody would write: what must hold for all of them, and an atheris target."""
