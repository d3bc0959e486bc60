#!/usr/bin/env bash
# Starts the broker of docker-compose.yml; formats its folder the first time. Passwords go from secret files to a file
# on tmpfs, never to a command line or the environment, which every process list shows.
set -euo pipefail
umask 077

kafka=${KAFKA_HOME:-/opt/kafka}
secrets=${SECRETS:-/run/secrets}
work=${WORK:-/tmp}
here=$(cd "$(dirname "$0")" && pwd)
inside=${INSIDE_PORT:-9092} outside=${OUTSIDE_PORT:-9094} controller=${CONTROLLER_PORT:-9093}

password=$(< "$secrets/kafka_admin")
login="org.apache.kafka.common.security.scram.ScramLoginModule required"
{
  cat "$here/server.properties"
  echo "controller.quorum.voters=1@127.0.0.1:$controller"
  echo "listeners=INSIDE://:$inside,OUTSIDE://:$outside,CONTROLLER://127.0.0.1:$controller"
  echo "advertised.listeners=INSIDE://${INSIDE_NAME:-kafka}:$inside,OUTSIDE://${OUTSIDE_NAME:-127.0.0.1}:$outside"
  echo "log.dirs=${DATA:-/var/lib/kafka/data}"
  echo "ssl.keystore.location=$secrets/tls_kafka"
  echo "ssl.truststore.location=$secrets/authority"
  echo "listener.name.inside.scram-sha-512.sasl.jaas.config=$login username=\"admin\" password=\"$password\";"
  echo "listener.name.outside.scram-sha-512.sasl.jaas.config=$login;"
} > "$work/server.properties"

# Kafka's storage tool reads its arguments from a file named after an @, one a line.
cat > "$work/format" <<WORDS
format
--ignore-formatted
--cluster-id=$(< "$secrets/kafka_cluster_id")
--config=$work/server.properties
--add-scram=SCRAM-SHA-512=[name=admin,password=$password,iterations=8192]
WORDS
"$kafka/bin/kafka-storage.sh" "@$work/format"
rm "$work/format"
exec "$kafka/bin/kafka-server-start.sh" "$work/server.properties"
