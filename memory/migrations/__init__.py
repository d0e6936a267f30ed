"""The schema's history, run by `memory.store` whenever a database is opened."""
