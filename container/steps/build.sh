#!/bin/sh
# Builds the package in the folder of its sources, and leaves there what it needs at run time.
set -eu
# No script of a dependency runs: none that is used here needs one.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
PATH=$PWD/node_modules/.bin:$PATH node scripts/build.ts --emit-only
sh container/steps/native.sh
npm prune --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
