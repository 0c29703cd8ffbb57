const POOL_BYTES = 4096;
const ID_BYTES = 16;
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

// One call into the random source per 256 ids: it costs more than the id itself on Node.
let pool: Uint8Array<ArrayBuffer> | undefined;
let used = POOL_BYTES;

/** A new 128-bit random id, 32 hexadecimal characters: callers, calls and instances. */
export function randomId(): string {
  pool ??= new Uint8Array(POOL_BYTES);
  if (used + ID_BYTES > POOL_BYTES) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  let id = "";
  for (const end = used + ID_BYTES; used < end; used++) id += HEX[pool[used] as number];
  return id;
}

/** A new id for someone who listens below the name of its user; without one, below anything. */
export function ownedId(owner: string | undefined, id: string = randomId()): string {
  return owner === undefined ? id : `${owner}.${id}`;
}

const ID = /^[a-zA-Z0-9_-]{1,64}$/;
const OWNED_ID = /^(?:[a-zA-Z0-9_-]{1,80}\.)?[a-zA-Z0-9_-]{1,64}$/;

/** Whether text from the wire may stand as a call or instance id in a subject that we publish to. */
export function isId(text: string | undefined): text is string {
  return text !== undefined && ID.test(text);
}

/** Whether text from the wire may stand as a caller or node in a subject that we publish to: an id, alone or after its user's name. */
export function isOwnedId(text: string | undefined): text is string {
  return text !== undefined && OWNED_ID.test(text);
}
