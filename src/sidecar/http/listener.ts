import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** A request of either protocol. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** What answers it. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** Answers requests of both protocols. */
export type NodeListener = (request: NodeRequest, response: NodeResponse) => void;
