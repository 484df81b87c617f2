"""The control plane's own memory: a Postgres database that no other system writes."""
