#!/bin/sh
# Runs nginx, and has it read its configuration again when the proxies have become more or fewer: it looks names up only
# then.
proxies() { getent ahostsv4 proxy | cut -d ' ' -f 1 | sort -u; }

follow() {
    known=$1
    while sleep 2; do
        now=$(proxies)
        if [ -n "$now" ] && [ "$now" != "$known" ]; then
            nginx -s reload && known=$now
        fi
    done
}

follow "$(proxies)" &
exec nginx -g 'daemon off;'
