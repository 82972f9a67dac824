#!/bin/sh
# Serves on all addresses of the container, behind keys. Without a file of keys, one is made for the caller `me`.
set -eu
keys=${DITPIPE_KEYS:-/data/keys}
if [ ! -s "$keys" ]; then
    (umask 077; python -c "import secrets; print('me', secrets.token_urlsafe(32))" > "$keys")
    echo "a key was made for you: it is the second word of $keys" >&2
fi
exec ditpipe serve --host 0.0.0.0 --port 8000 --keys "$keys" "$@"
