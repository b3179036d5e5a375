#!/bin/sh
# What Postgres makes before its first start: Prefect's database, and the role that Chargeback works as.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres --set password="$CHARGEBACK_PASSWORD" <<'SQL'
CREATE DATABASE prefect;
CREATE ROLE chargeback_app LOGIN PASSWORD :'password';
SQL
