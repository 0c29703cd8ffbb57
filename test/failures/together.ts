import { Recorded } from "./recorded.ts";

/** What a test does in a world of its own. */
export type Body = (world: Recorded) => Promise<void>;

async function inOwnWorld(body: Body): Promise<void> {
  const world = await Recorded.open({ alone: false });
  try {
    await body(world);
  } finally {
    await world.stop();
  }
}

/**
 * Tests that spend most of their time waiting: all begin with the first one, each in a world with a broker of its own.
 *
 * @returns what to give to `test`, by name
 */
export function together(bodies: Readonly<Record<string, Body>>): [string, () => Promise<void>][] {
  let running: Map<string, Promise<void>> | undefined;
  const start = () => {
    const started = new Map(Object.entries(bodies).map(([name, body]) => [name, inOwnWorld(body)]));
    // Each is awaited by its own test, in its turn.
    for (const work of started.values()) work.catch(() => {});
    return started;
  };
  return Object.keys(bodies).map((name) => [name, () => (running ??= start()).get(name) as Promise<void>]);
}
