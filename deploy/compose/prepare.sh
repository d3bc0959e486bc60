#!/bin/sh
# Makes what docker-compose.yml needs and git must not hold: ./secrets (passwords and certificates, made up here and
# now), ./district (files that you fill in) and .env. What is there already is left alone, so that it can be run again;
# a certificate is made anew when it ends soon or its server has got another name. Run it as root in the folder of
# docker-compose.yml: each secret belongs to the user in whose container it is read.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
top=${1:-$(cd "$here/../.." && pwd)}
if [ "$(id -u)" != 0 ]; then
  echo "prepare.sh: run it as root (sudo), so that it can give each secret to its reader" >&2
  exit 3
fi
if ! command -v openssl > /dev/null; then
  echo "prepare.sh: there is no openssl; on Debian: apt-get install openssl" >&2
  exit 3
fi

# setting NAME DEFAULT: as the environment says, else .env, else the default.
setting() {
  eval "value=\${$1:-}"
  if [ -z "$value" ] && [ -e "$top/.env" ]; then value=$(sed -n "s/^$1=//p" "$top/.env" | tail -n 1); fi
  printf '%s' "${value:-$2}"
}
kafka_address=$(setting KAFKA_ADDRESS 127.0.0.1)
desk_name=$(setting DESK_NAME localhost)
collector_metrics=$(setting COLLECTOR_METRICS 172.30.251.1:9464)
lasts=${CERTIFICATE_DAYS:-825}
renewed=30

# Users of the images: Kafka 1000, PostgreSQL 999, Prometheus and Alertmanager 65534, Grafana 472, ours 10001.
mkdir -p "$top/secrets" "$top/district/agreements"
chmod 0711 "$top/secrets"
chmod 0755 "$top/district" "$top/district/agreements"

# give NAME OWNER GROUP: let nobody but its reader open a secret.
give() {
  chown "$2:$3" "$top/secrets/$1"
  if [ "$2" = "$3" ]; then chmod 0400 "$top/secrets/$1"; else chmod 0440 "$top/secrets/$1"; fi
}
# secret NAME OWNER GROUP: its content comes on standard input.
secret() {
  if [ -s "$top/secrets/$1" ]; then
    cat > /dev/null
  else
    cat > "$top/secrets/$1"
  fi
  give "$1" "$2" "$3"
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

# The authority that vouches for every server of docker-compose.yml. Its key is read by this script alone: no container
# gets it, and it may lie elsewhere until it is needed. Whoever wants another authority removes both files and runs this
# again: every certificate is made anew.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
authority=$top/secrets/authority
ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
days_left() { openssl x509 -in "$1" -noout -checkend $(($2 * 86400)) > /dev/null; }
if [ ! -s "$authority" ] || ! days_left "$authority" "$renewed"; then
  # shellcheck disable=SC2086 -- several words
  openssl req -x509 $ec -days 3650 -subj "/CN=Schoolgate authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$authority.key" -out "$authority" 2> /dev/null
  echo "prepare.sh: made an authority: tap hosts elsewhere, and browsers of those who sign in, need secrets/authority"
fi
chown 0:0 "$authority"
chmod 0444 "$authority"
if [ -e "$authority.key" ]; then
  chown 0:0 "$authority.key"
  chmod 0400 "$authority.key"
fi

made=
# certificate SERVICE OWNER GROUP NAME...: key, certificate and authority in the file tls_SERVICE.
certificate() {
  file=tls_$1 service=$1 owner=$2 group=$3
  shift 3
  names=DNS:$service,DNS:localhost,IP:127.0.0.1
  for name in "$@"; do
    case $name in
      localhost | 127.0.0.1) ;;
      *[!0-9.]*) names=$names,DNS:$name ;;
      *) names=$names,IP:$name ;;
    esac
  done
  if current "$top/secrets/$file" "$names"; then
    give "$file" "$owner" "$group"
    return
  fi
  if [ ! -s "$authority.key" ]; then
    echo "prepare.sh: $service needs a certificate: put secrets/authority.key back, or remove secrets/authority to begin anew" >&2
    exit 3
  fi
  # shellcheck disable=SC2086 -- several words
  openssl req $ec -subj "/CN=$service" -keyout "$work/key" -out "$work/asked" 2> /dev/null
  {
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$names"
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n'
  } > "$work/extensions"
  openssl x509 -req -in "$work/asked" -CA "$authority" -CAkey "$authority.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$lasts" -extfile "$work/extensions" -out "$work/certificate" 2> /dev/null
  # PKCS #8 is what Kafka reads; the others take it as well. A reader sees the old file or the new one, never half.
  { openssl pkcs8 -topk8 -nocrypt -in "$work/key"; cat "$work/certificate" "$authority"; } > "$top/secrets/$file.new"
  give "$file.new" "$owner" "$group"
  mv "$top/secrets/$file.new" "$top/secrets/$file"
  made="$made $service"
}
# current FILE NAMES: whether it is of our authority, for exactly these names, and not about to end.
current() {
  [ -s "$1" ] || return 1
  days_left "$1" "$renewed" || return 1
  openssl verify -CAfile "$authority" "$1" > /dev/null 2>&1 || return 1
  has=$(openssl x509 -in "$1" -noout -ext subjectAltName | tail -n +2 | sed 's/IP Address:/IP:/g' | tr -d ' \n')
  [ "$has" = "$2" ]
}
certificate kafka 1000 1000 "$kafka_address"
certificate postgres 999 999
# It starts as root without the right to read everything, and goes on as 10001.
certificate collector 0 10001 "${collector_metrics%:*}"
certificate judge 10001 10001
certificate desk 10001 10001 "$desk_name"
certificate prometheus 65534 65534
certificate alertmanager 65534 65534
certificate grafana 472 472 "$desk_name"
if [ -n "$made" ]; then
  echo "prepare.sh: made certificates; where they run already: docker compose up --detach --force-recreate$made"
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
# Address by which collectors reach the broker; for tap hosts elsewhere, an address of this machine.
# Run prepare.sh once more after a change here: it makes the certificates that have other names now.
KAFKA_ADDRESS=$kafka_address
# Name under which people reach desk and Grafana, where it is not this machine alone.
DESK_NAME=$desk_name
WORDS
fi
for file in "$authority" "$top"/secrets/tls_*; do
  printf '%s %s\n' "$(date -u -d "$(openssl x509 -in "$file" -noout -enddate | cut -d = -f 2)" +%F)" "${file##*/}"
done | sort | head -n 1 | {
  read -r day name
  echo "prepare.sh: the first certificate to end is $name, on $day; run this again in the $renewed days before"
}
echo "prepare.sh: now fill in $top/district, then: docker compose up --build --detach"
