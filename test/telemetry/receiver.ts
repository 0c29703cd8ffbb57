import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A span, as OTLP's JSON has it. */
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly attributes?: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

interface WireBatch {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: WireSpan["attributes"] };
    readonly scopeSpans?: readonly { readonly spans?: readonly WireSpan[] }[];
  }[];
}

/** A span that has arrived. */
export interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** `""` for the first of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

const kinds = ["internal", "internal", "server", "client", "producer", "consumer"] as const;

/** Takes spans over OTLP/HTTP. */
export interface SpanReceiver {
  /** What exporters are given. */
  readonly url: string;
  readonly spans: ReceivedSpan[];
  close(): Promise<void>;
}

/** Starts a receiver of spans on a free port. */
export async function receiveSpans(): Promise<SpanReceiver> {
  const spans: ReceivedSpan[] = [];
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => {
      if (request.url === "/v1/traces") spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString())));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, spans, close };
}

function spansOf({ resourceSpans = [] }: WireBatch): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const service = String(attributesOf(resource?.attributes)["service.name"]);
    return scopeSpans.flatMap(({ spans = [] }) => spans).map((span) => ({
      service,
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId ?? "",
      name: span.name,
      kind: kinds[span.kind] ?? "internal",
      failed: span.status?.code === 2,
      attributes: attributesOf(span.attributes),
    }));
  });
}

function attributesOf(attributes: WireSpan["attributes"] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/**
 * The spans of a trace as a tree of `service: name (kind)`, children by name below their parent.
 *
 * @returns lines, indented by depth
 */
export function treeOf(spans: readonly ReceivedSpan[], traceId: string): string[] {
  const own = spans.filter((span) => span.traceId === traceId);
  const ids = new Set(own.map(({ spanId }) => spanId));
  const below = (parents: readonly ReceivedSpan[], depth: number): string[] =>
    [...parents].sort((a, b) => a.name.localeCompare(b.name)).flatMap((span) => [
      `${"  ".repeat(depth)}${span.service}: ${span.name} (${span.kind})${span.failed ? " failed" : ""}`,
      ...below(own.filter(({ parentSpanId }) => parentSpanId === span.spanId), depth + 1),
    ]);
  return below(own.filter(({ parentSpanId }) => !ids.has(parentSpanId)), 0);
}
