/** What a program of idle clients is asked for. */
export interface IdleCommand {
  /** `open` so many clients; have each of them `call` once; `settle`, so that memory is read when garbage is gone. */
  readonly command: "open" | "call" | "settle";
  readonly count: number;
}

/** What it answers. */
export interface IdleAnswer {
  readonly seconds: number;
  readonly errors: number;
  readonly firstError: string | undefined;
}

/** Opened or called at once, in one process. */
const AT_ONCE = 50;

/** Serves such commands with clients of one kind. */
export function idleClients<Client>(
  open: () => Promise<Client>,
  call: (client: Client) => Promise<unknown>,
): (command: IdleCommand) => Promise<IdleAnswer> {
  const clients: Client[] = [];
  return async ({ command, count }) => {
    const startedAt = performance.now();
    let errors = 0;
    let firstError: string | undefined;
    let next = 0;
    const each = command === "open"
      ? async () => void clients.push(await open())
      : command === "call"
      ? (index: number) => call(clients[index]!)
      : collectGarbage;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (next < count) {
        try {
          await each(next++);
        } catch (error) {
          errors++;
          firstError ??= String(error);
        }
      }
    }));
    return { seconds: (performance.now() - startedAt) / 1000, errors, firstError };
  };
}

function collectGarbage(): Promise<void> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(full: boolean): void } };
  gc?.();
  Bun?.gc(true);
  return Promise.resolve();
}
