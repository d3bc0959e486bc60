#!/usr/bin/env bash
# Gives each role's user the password of its secret file: at the first start, and whenever a file has changed. What each
# may do is made by `schoolgate kafka setup`.
set -euo pipefail
umask 077

kafka=${KAFKA_HOME:-/opt/kafka}
secrets=${SECRETS:-/run/secrets}
work=${WORK:-/tmp}
broker=${BROKER:-kafka:9092}

cat > "$work/admin.properties" <<LOGIN
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$(< "$secrets/kafka_admin")";
ssl.truststore.type=PEM
ssl.truststore.location=$secrets/authority
LOGIN
for role in collector judge publisher dashboard; do
  echo "SCRAM-SHA-512=iterations=8192,password=$(< "$secrets/kafka_$role")" > "$work/login"
  "$kafka/bin/kafka-configs.sh" --bootstrap-server "$broker" --command-config "$work/admin.properties" \
    --alter --entity-type users --entity-name "schoolgate-$role" --add-config-file "$work/login"
  rm "$work/login"
done
