#!/bin/sh
# Builds the addon, with a compiler that stays in the build's stage, and fetches UCX, whose checksum the sources hold.
set -eu
if ! command -v cmake > /dev/null || ! command -v c++ > /dev/null; then
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends cmake g++ make
fi
node scripts/native.ts
mv native/build/waybill.node native/waybill.node
rm -rf native/build
mkdir native/build
mv native/waybill.node native/build/waybill.node
node container/steps/ucx.ts ucx
