import { Hono } from "hono";
import type { Bus } from "../bus/bus.ts";
import type { MetricsPage } from "../telemetry/metrics/registry.ts";

/** A process's pages for monitoring. */
export interface StatusServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves `/metrics` for Prometheus, and `/healthz`, on the loopback interface. */
export async function serveStatus(
  metrics: { page(): Promise<MetricsPage> } | undefined,
  bus: Pick<Bus, "connected">,
  port: number,
): Promise<StatusServer> {
  const app = new Hono();
  app.get("/metrics", async (c) => {
    if (metrics === undefined) return c.text("Metrics are off", 404);
    const { text, contentType } = await metrics.page();
    return c.body(text, 200, { "content-type": contentType });
  });
  app.get("/healthz", (c) => bus.connected ? c.json({ status: "ok" }) : c.json({ status: "disconnected" }, 503));
  const { serveHttp } = await import("../data/server.ts");
  const server = await serveHttp(app, { port });
  return { url: `${server.url}/metrics`, close: () => server.close() };
}
