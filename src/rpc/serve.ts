import { Code, type ServiceImplSpec } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import { CallServer, type CallServerOptions, methodsOf } from "./call-server.ts";
import type { Delivery } from "./delivery.ts";
import { fault } from "./error.ts";
import { Slots } from "./slots.ts";
import type { CallerFrame } from "./frame.ts";

/** How a service is served on a subject. */
export interface ServeOptions extends CallServerOptions {
  /** Where requests and later frames come. */
  subject: string;
  /** Made with Connect's `createServiceImplSpec(service, implementation)`. */
  services: ServiceImplSpec[];
  /** Calls that run at once; more are answered `resource_exhausted`. Default 1,024. */
  maxInflight?: number;
}

/** A served subject. */
export interface Served extends AsyncDisposable {
  readonly server: CallServer;
  /** Takes no new calls, waits for running ones for `drainMs` (default 10 s), then ends them. */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** A direct request as a delivery: nothing is stored, its deadline counts from now. */
export function directDelivery(frame: CallerFrame, settled: () => void, operator?: string): Delivery {
  const deadlineAt = frame.timeoutMs === 0 ? Infinity : performance.now() + frame.timeoutMs;
  return {
    attempt: 1,
    operator,
    mode: "direct",
    deadlineAt,
    progressSubject: undefined,
    acknowledge() {},
    confirm: () => Promise.resolve(),
    settled,
  };
}

/** Serves Connect services on one subject, to callers of a `serviceRoute`. */
export function serve(bus: Bus, options: ServeOptions): Served {
  const server = new CallServer(bus, options);
  const methods = methodsOf(...options.services);
  const slots = new Slots(options.maxInflight ?? 1024, () => {});
  const subscription = bus.subscribe(options.subject, (message) => {
    const frame = server.read(message);
    if (frame === undefined) return;
    if (frame.kind !== "request" && frame.kind !== "post") {
      if (!server.later(frame, message.payload) && frame.kind === "probe") server.report(frame, "unknown");
    } else if (slots.take()) server.accept(frame, message, directDelivery(frame, () => slots.release()), methods);
    else {
      const full = `Cannot serve ${frame.method}: all ${slots.max} slots are taken`;
      server.reject(frame, fault(full, Code.ResourceExhausted, { reason: "BUSY", instance: server.instance }));
    }
  });
  const close = async ({ drainMs = 10_000 }: { drainMs?: number } = {}) => {
    subscription.unsubscribe();
    await server.drain(drainMs);
    await server.beats.close();
  };
  return { server, close, [Symbol.asyncDispose]: () => close() };
}
