"""Worker processes as PostgreSQL knows them: who lives, whose leases are free."""
