/** Many clients in one process, each with a connection of its own. */
import process from "node:process";
import { connect } from "../../mod.ts";
import { idleClients } from "../lib/idle-clients.ts";
import { serveRequests } from "../lib/program.ts";

const [url = ""] = process.argv.slice(2);
const x = new Uint8Array(128);
await serveRequests(idleClients(
  () => connect(url, { namespace: "bench" }),
  (client) => client.operator("echo", { inline: true }).infer({ x }),
));
