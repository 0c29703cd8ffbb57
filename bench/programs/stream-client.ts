/** Keeps streams of `tokens` open through one client. */
import process from "node:process";
import { connect } from "../../mod.ts";
import { serveRequests } from "../lib/program.ts";
import { measureStreams, type StreamLoad } from "../lib/stream-load.ts";

const [url = ""] = process.argv.slice(2);
const wb = await connect(url, { namespace: "bench" });
await serveRequests((load: StreamLoad) => {
  const handle = wb.operator("tokens", { mode: load.mode, inline: true });
  return measureStreams(load, async function* () {
    for await (const { token } of handle.stream({})) yield Number((await token!.fetch()).data[0]);
  });
});
