/** Where a broker of ours listens for TCP connections, and where clients look for one, unless told otherwise. */
export const DEFAULT_TCP_URL = "nats://127.0.0.1:4222";

/** Where a broker of ours listens for websockets, and where clients look for one, unless told otherwise. */
export const DEFAULT_WS_URL = "ws://127.0.0.1:9222";

/** The namespace of a deployment that names none. */
export const DEFAULT_NAMESPACE = "default";
