#!/bin/sh
# Run once by the Postgres image on an empty volume: the same roles and databases as local/postgres.py.
# Passwords come from the environment and reach psql as variables, which it quotes.
set -eu

create() {
  psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set role="$1" --set password="$2" --set database="$3" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"role";
REVOKE CONNECT ON DATABASE :"database" FROM PUBLIC;
SQL
}

create airflow "$AIRFLOW_DB_PASSWORD" airflow
create slipway_ledger "$LEDGER_PASSWORD" ledger
create slipway_warehouse "$WAREHOUSE_PASSWORD" warehouse
create slipway_lake "$LAKE_PASSWORD" lake
create registry "$REGISTRY_PASSWORD" registry

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set password="$READER_PASSWORD" <<'SQL'
CREATE ROLE reader LOGIN PASSWORD :'password';
ALTER ROLE slipway_warehouse CREATEROLE;
GRANT CONNECT ON DATABASE warehouse TO PUBLIC;
SQL
