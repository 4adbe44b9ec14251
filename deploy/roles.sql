-- Who owns the exchange's schema and who runs the program: two roles. Run by a superuser in the exchange's database, with
-- psql 14 or newer, which takes the passwords from the environment.
\getenv owner_password OWNER_PASSWORD
\getenv program_password PROGRAM_PASSWORD
CREATE ROLE exchange_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE exchange LOGIN PASSWORD :'program_password';
ALTER DATABASE :"DBNAME" OWNER TO exchange_owner;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO exchange;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
