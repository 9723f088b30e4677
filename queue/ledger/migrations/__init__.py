"""Alembic's scripts: how the tables came to be, one revision a file in `versions`."""
