#!/bin/sh
# The database of the scratch stack: made at its first start, kept over the others. Its password is the first argument.
set -eu
here=/steward-game-day
if [ ! -s "$here/state/data/PG_VERSION" ]; then
  printf %s "$1" > "$here/state/password"
  "$here/pg/bin/initdb" --pgdata="$here/state/data" --username=postgres --auth=scram-sha-256 \
    --pwfile="$here/state/password" --encoding=UTF8 --locale=C --no-sync
  echo 'host all all all scram-sha-256' >> "$here/state/data/pg_hba.conf"
fi
exec "$here/pg/bin/postgres" -D "$here/state/data" -k "$here/state" -c listen_addresses='*' -c fsync=off \
  -c shared_buffers=16MB -c max_connections=40
