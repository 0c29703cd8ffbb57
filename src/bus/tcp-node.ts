import type { Dial, DialControl, Dialler } from "./dial.ts";
import type { BusOptions } from "./options.ts";

/**
 * Dials over TCP with the `nats` client, on Node, Bun and Deno alike (Deno needs `--allow-net` and nothing else).
 * Loaded only when a `nats://` or `tls://` URL is asked for.
 *
 * @param secure whether TLS is demanded
 */
export async function tcpDialler(options: BusOptions, secure: boolean): Promise<Dialler> {
  const nats = await import("nats");
  const { inboxPrefix, ignoreClusterUpdates = false } = options;
  const tls = secure ? { ...options.tls } : undefined;
  return {
    dial(address: string, control: DialControl): Dial {
      const connection = nats.connect({
        ...control.clientOptions(nats),
        servers: [address],
        inboxPrefix,
        ignoreClusterUpdates,
        tls,
        // The client asks DNS servers itself, without a time limit and past /etc/hosts; for TLS it has to, since only then it
        // tells the server which name it wants (`nats` 2.29).
        resolve: secure ? undefined : false,
      });
      return {
        connection,
        owned: { kind: "tcp", stop: () => control.stop() },
        // The client holds the socket until its own time limit.
        abort: () => control.stop(),
      };
    },
  };
}
