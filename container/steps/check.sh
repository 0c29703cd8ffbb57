#!/bin/sh
# Tries the image from inside, without the network: commands, a deployment with its health, clients, a project that imports the package.
set -eu
say() { echo "--- $*"; }

say "who and where: $(id -u):$(id -g), $(node --version), $(nats-server --version)"
[ "$(id -u)" != 0 ] || { echo "It must not be root" >&2; exit 1; }
if touch /opt/waybill/here 2>/dev/null; then echo "The root must be read-only" >&2; exit 1; fi
if waybill status 2>/dev/null; then echo "Nothing is there to be healthy yet" >&2; exit 1; fi

say "a sidecar's addon and UCX"
waybill doctor > /state/doctor.log 2>&1 || true
grep -iE "addon|ucx" /state/doctor.log
timeout 5 waybill sidecar --node here --socket /state/here/node.sock > /state/sidecar.log 2>&1 || true
for found in "addon: [0-9]" "ucx: [0-9]" "Ways: .*ucx"; do
  grep -E "$found" /state/sidecar.log || { cat /state/sidecar.log >&2; exit 1; }
done

say "the hello world, in two programs"
node /opt/waybill/examples/hello_world/deploy.ts --initialize-request-plane --runtime node --log-dir /state/logs > /state/deploy.log 2>&1 &
deploy=$!
healthy() {
  for _ in $(seq 120); do
    if waybill status > /dev/null 2>&1; then return 0; fi
    kill -0 "$deploy" 2>/dev/null || break
    sleep 0.5
  done
  cat /state/deploy.log >&2
  return 1
}
healthy
waybill status
node /opt/waybill/examples/hello_world/client.ts --requests-per-client 20
waybill clients
waybill down
wait "$deploy"

say "a project that imports waybill"
mkdir -p /state/project
cat > /state/project/worker.ts <<'END'
import { defineWorker, operator } from "waybill/worker";
export default defineWorker({
  operators: [operator({ name: "double", inputs: { x: { dtype: "FP32", shape: [-1] } }, execute: ({ inputs: { x } }) => ({ y: x.data.map((v) => v * 2) }) })],
});
END
cat > /state/project/deploy.ts <<'END'
import { defineDeployment } from "waybill/deployment";
export default defineDeployment({ workers: [{ name: "math", file: "./worker.ts", operators: ["double"] }] });
END
cat > /state/project/client.ts <<'END'
import { connect } from "waybill";
const wb = await connect("ws://127.0.0.1:9222");
const { y } = await wb.operator("double").infer({ x: new Float32Array([1, 2, 3]) });
console.log((await y!.fetch()).data.join(" "));
await wb.close();
END
cd /state/project
waybill up deploy.ts --detach
[ "$(node client.ts)" = "2 4 6" ]
waybill down
say "all is well"
