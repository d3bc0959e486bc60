-- Run once, by the image of PostgreSQL, in an empty cluster: a role that owns its database and nothing else.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/postgres_schoolgate`
CREATE ROLE schoolgate LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE schoolgate OWNER schoolgate ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE schoolgate FROM PUBLIC;
