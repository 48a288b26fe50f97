-- The roles and the database of one namespace. Run it once, as a superuser, in psql:
--
--   psql -v database=leasehold -f roles.sql postgres://postgres@db:5432/postgres
--
-- Then no Leasehold command needs a superuser any more: `leasehold migrate` runs as
-- leasehold_owner, with LEASEHOLD_DATABASE_URL set too.
--
-- psql asks for the passwords, and sends only their hashes.
\set ON_ERROR_STOP on

-- Owns the schema and migrates it.
create role leasehold_owner login;
-- Replicas, `runbook push`, `list`, `audit`: may read and insert, and no more.
create role leasehold_app login;
\password leasehold_owner
\password leasehold_app

create database :"database" encoding 'UTF8' template template0;
revoke all on database :"database" from public;
grant connect, create on database :"database" to leasehold_owner;
grant connect on database :"database" to leasehold_app;

\connect :"database"
-- Nothing of Leasehold is in it, and nobody else is to put something there.
revoke all on schema public from public;
