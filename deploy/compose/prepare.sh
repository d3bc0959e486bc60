#!/bin/sh
# Makes what docker-compose.yml needs and git must not hold: ./secrets (passwords and certificates, made up here and
# now), ./district (files that you fill in) and .env. What is there already is left alone, so that it can be run again.
# Run it as root in the folder of docker-compose.yml: each secret belongs to the user in whose container it is read.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
top=${1:-$(cd "$here/../.." && pwd)}
address=${KAFKA_ADDRESS:-127.0.0.1}
if [ "$(id -u)" != 0 ]; then
  echo "prepare.sh: run it as root (sudo), so that it can give each secret to its reader" >&2
  exit 3
fi
if ! command -v openssl > /dev/null; then
  echo "prepare.sh: there is no openssl; on Debian: apt-get install openssl" >&2
  exit 3
fi

# Users of the images: Kafka 1000, PostgreSQL 999, Prometheus and Alertmanager 65534, Grafana 472, ours 10001.
mkdir -p "$top/secrets" "$top/district/agreements"
chmod 0711 "$top/secrets"
chmod 0755 "$top/district" "$top/district/agreements"

# secret NAME OWNER GROUP: its content comes on standard input.
secret() {
  if [ -s "$top/secrets/$1" ]; then
    cat > /dev/null
  else
    cat > "$top/secrets/$1"
  fi
  chown "$2:$3" "$top/secrets/$1"
  if [ "$2" = "$3" ]; then chmod 0400 "$top/secrets/$1"; else chmod 0440 "$top/secrets/$1"; fi
}
random() { openssl rand -hex 32 | tr -d '\n'; }

for name in admin collector judge publisher dashboard; do
  random | secret "kafka_$name" 1000 10001
done
# 16 octets as Kafka writes them; the first is no minus, which its tool would take for an option.
printf 'k%s' "$(openssl rand -base64 16 | tr '+/' '-_' | cut -c 2-22)" | secret kafka_cluster_id 1000 1000
random | secret postgres_admin 999 999
random | secret postgres_schoolgate 999 999
# Colons and backslashes would need escapes there; hexadecimal digits have none.
printf 'postgres:5432:schoolgate:schoolgate:%s\n' "$(cat "$top/secrets/postgres_schoolgate")" | secret pgpass 10001 10001
random | secret grafana_admin 472 472
# Filled in by you where your mail server wants a password; a dash stands where it wants none.
printf -- '-' | secret smtp_password 65534 10001

if [ ! -s "$top/secrets/kafka_broker" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  case $address in
    *[!0-9.]*) names="DNS:$address" ;;
    *) names="IP:$address" ;;
  esac
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Schoolgate broker authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2> /dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=kafka" \
    -keyout "$work/broker.key" -out "$work/broker.csr" 2> /dev/null
  printf 'subjectAltName=DNS:kafka,DNS:localhost,IP:127.0.0.1,%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$names" > "$work/names"
  openssl x509 -req -in "$work/broker.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 825 \
    -extfile "$work/names" -out "$work/broker.pem" 2> /dev/null
  openssl pkcs8 -topk8 -nocrypt -in "$work/broker.key" > "$work/broker.pk8"
  cat "$work/broker.pk8" "$work/broker.pem" "$work/ca.pem" | secret kafka_broker 1000 1000
  # The authority's key is thrown away: whoever wants another certificate removes both files and runs this again.
  secret kafka_ca 1000 10001 < "$work/ca.pem"
  chmod 0444 "$top/secrets/kafka_ca"
fi

umask 022
for name in config.yaml network.yaml parties.yaml collectors.yml; do
  [ -e "$top/district/$name" ] || cp "$here/district/$name" "$top/district/$name"
done
[ -e "$top/district/alertmanager.yml" ] || cp "$here/../alertmanager/alertmanager.yml" "$top/district/alertmanager.yml"
if [ ! -e "$top/.env" ]; then
  cat > "$top/.env" <<WORDS
# Which parts run here: tap (the collector of this machine), watch (Prometheus, Alertmanager, Grafana).
COMPOSE_PROFILES=tap,watch
# Address by which collectors reach the broker. For tap hosts elsewhere: an address of this machine, then run prepare.sh
# once more with KAFKA_ADDRESS set to it, after removing secrets/kafka_broker and secrets/kafka_ca.
KAFKA_ADDRESS=$address
WORDS
fi
echo "prepare.sh: now fill in $top/district, then: docker compose up --build --detach"
