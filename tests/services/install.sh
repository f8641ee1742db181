#!/bin/sh
# Installs what of PostgreSQL, Redis, RabbitMQ, nginx, Swift and libfaketime a Debian machine lacks, if this is root.
# None of them is started: the tests run servers of their own.
set -eu

missing=""
want() {
    if ! eval "$2"; then missing="$missing $1"; fi
}
want postgresql 'ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1'
want redis-server 'command -v redis-server >/dev/null'
want rabbitmq-server 'test -x /usr/lib/rabbitmq/bin/rabbitmq-server'
want nginx-light 'command -v nginx >/dev/null || test -x /usr/sbin/nginx'
for server in proxy account container object; do
    want "swift-$server" "command -v swift-$server-server >/dev/null"
done
want faketime 'command -v faketime >/dev/null'
if [ -z "$missing" ]; then exit 0; fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests with real servers need:$missing. Please install them." >&2
    exit 1
fi
# Packages start their services unless a policy forbids it; one that is there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
echo "Installing$missing …" >&2
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
