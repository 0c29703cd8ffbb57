#!/bin/sh
# Puts the commands where they are found, makes "waybill" importable from everywhere, and gives the volume to its user.
set -eu
mkdir -p /usr/local/bin /node_modules /state /work
mv /opt/waybill/bin/nats-server /usr/local/bin/nats-server
rmdir /opt/waybill/bin
# In place of node_modules in /work, where a project brings none.
ln -s /opt/waybill /node_modules/waybill
# Where vendors put theirs: UCX_LIBRARY and LD_LIBRARY_PATH still come first.
mkdir -p /opt/ucx
ln -s /opt/waybill/ucx/libucx/lib /opt/ucx/lib
cat > /usr/local/bin/waybill <<'END'
#!/bin/sh
exec node /opt/waybill/dist/src/cli/main.js "$@"
END
chmod 755 /usr/local/bin/waybill
# Deployments are listed in a folder that only their user may look into.
mkdir -p /state/run /state/cache
chmod 700 /state/run
chown -R 10001:10001 /state
