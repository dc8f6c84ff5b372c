"""The database: engine, transactions, gathered statements, migrations. No noun's SQL stands here."""
