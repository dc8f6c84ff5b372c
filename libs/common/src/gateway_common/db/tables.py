"""The one MetaData that every noun's tables.py registers with, and column types they share."""

from sqlalchemy import Column, DateTime, MetaData, Text

metadata = MetaData()


def id_column(name: str = "id", *, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    """Ids are compared byte by byte ("C"), so their time order is also the index's order in every locale."""
    return Column(name, Text(collation="C"), primary_key=primary_key, nullable=nullable)


def time_column(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)
