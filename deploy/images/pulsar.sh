#!/bin/sh
# What bin/pulsar of the official image does for `standalone`, on a Java that is newer than Pulsar 2.10 expects.
[ "$1" = standalone ] || { echo 'this image has only: pulsar standalone' >&2; exit 2; }
shift
# shellcheck disable=SC2086 # PULSAR_MEM is several flags
exec java $PULSAR_MEM @/pulsar/conf/opens -XX:+ExitOnOutOfMemoryError -Dlog4j2.formatMsgNoLookups=true \
    -Dlog4j.configurationFile=/pulsar/conf/log4j2.xml -cp '/pulsar/lib/*' org.apache.pulsar.PulsarStandaloneStarter \
    --config "$PULSAR_STANDALONE_CONF" "$@"
