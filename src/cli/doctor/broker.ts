import { connect, createServer } from "node:net";
import { DEFAULT_TCP_URL, DEFAULT_WS_URL } from "../../bus/defaults.ts";
import { installHint, locateBroker } from "../../deployment/broker/locate.ts";
import type { Finding } from "./finding.ts";

/** The binary that a deployment would run. Nothing is downloaded for the question. */
export async function examineBrokerBinary(): Promise<Finding> {
  const about = { name: "broker", required: true };
  try {
    const { path, version, source } = await locateBroker({ obtain: false });
    return { ...about, state: "ok", found: `nats-server ${version} from ${source} (${path})` };
  } catch {
    const advice = `The first start obtains one, where the network allows it. ${installHint}`;
    return { ...about, state: "missing", found: "no nats-server", advice };
  }
}

/** The first line that whoever listens there sends: a NATS broker says who it is. */
function greeting(hostname: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port });
    const end = (text?: string) => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(1_000, () => end());
    socket.once("data", (data) => end(data.toString().split("\r\n")[0]));
    socket.once("error", () => end());
    socket.once("close", () => end());
  });
}

/** Whether a broker answers where clients look for one. */
export async function examineBroker(): Promise<Finding> {
  const { hostname, port } = new URL(DEFAULT_TCP_URL);
  const line = await greeting(hostname, Number(port));
  const about = { name: "broker answers", required: false };
  if (line?.startsWith("INFO ")) {
    const { version, jetstream } = JSON.parse(line.slice(5));
    const found = `nats-server ${version} at ${DEFAULT_TCP_URL}${jetstream ? "" : ", without JetStream"}`;
    if (jetstream) return { ...about, state: "ok", found };
    return {
      ...about,
      state: "warning",
      found,
      advice: "Queued requests need JetStream: run it with -js, or let waybill up run one",
    };
  }
  return { ...about, state: "missing", found: `nobody at ${DEFAULT_TCP_URL}`, advice: "waybill up starts one" };
}

function isFree(hostname: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: hostname, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Whether a deployment can have its default ports, given whether a broker has them already. */
export async function examinePorts(brokerAnswers: boolean): Promise<Finding[]> {
  return await Promise.all([DEFAULT_TCP_URL, DEFAULT_WS_URL].map(async (url): Promise<Finding> => {
    const { hostname, port } = new URL(url);
    const about = { name: `port ${port}`, required: false };
    if (await isFree(hostname, Number(port))) return { ...about, state: "ok", found: "free" };
    if (brokerAnswers) return { ...about, state: "ok", found: "taken, a broker answers" };
    return {
      ...about,
      state: "warning",
      found: "taken by another program",
      advice: "End that program, or give the deployment other ports",
    };
  }));
}
