#!/bin/sh
# Obtains the pinned nats-server, whose checksum the sources hold, and puts it where the argument says.
set -eu
node container/steps/broker.ts "$1"
"$1" --version
