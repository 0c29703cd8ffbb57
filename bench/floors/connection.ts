/** A raw connection with the settings that make its library fastest; nothing of the project is used. */
export async function connectRaw(url: string): Promise<import("nats").NatsConnection> {
  const options = { servers: url, noAsyncTraces: true, maxReconnectAttempts: -1 };
  if (url.startsWith("nats://")) return await (await import("nats")).connect(options);
  const { connect } = await import("nats.ws");
  if (!("Deno" in globalThis)) return await connect(options) as unknown as import("nats").NatsConnection;
  // Deno's own socket stalls 44 ms per frame from 1 to 64 KiB.
  const { WebSocket } = await import("ws");
  const wsFactory = (address: string) => Promise.resolve({ socket: new WebSocket(address), encrypted: false });
  return await connect({ ...options, wsFactory } as never) as unknown as import("nats").NatsConnection;
}
