/** The nats-server that a deployment starts. It listens on the loopback address alone. */
export interface DeploymentBroker {
  /** TCP port; 0 takes a free one. Default 4222, that of the default URL. */
  port?: number;
  /** Websocket port; 0 takes a free one, `false` opens none. Default 9222, that of the default URL. */
  websocketPort?: number | false;
  /** Web pages that may connect, such as `"https://app.example.com"`; `"*"` lets any. Default: none. Programs are not asked. */
  allowedOrigins?: readonly string[];
  /** Whether what it stores outlives the deployment: `"file"` keeps it in `dataDir`. Default `"memory"`, or `"file"` with a `dataDir`. */
  storage?: "memory" | "file";
  /** Folder of what it stores. Default, with `storage: "file"`: `"data"` in the deployment file's folder. */
  dataDir?: string;
  /** Largest message. Default 8 MiB. */
  maxPayloadBytes?: number;
  /**
   * Memory that stored messages may take. The broker counts what queues may come to hold (an operator's `maxQueuedBytes`, 64 MiB by
   * default) and refuses the queue that does not fit; it allocates what is there. Default: half of the machine's memory, 4 GiB (some 60
   * operators) at least.
   */
  maxMemoryBytes?: number;
  /** Disk that stored messages may take. Default 4 GiB. */
  maxFileBytes?: number;
  /** The nats-server to run. Default: one that is found or obtained. */
  binary?: string;
}

/** Programs that call operators as a user of their own: pages, other machines' programs, other people's. */
export interface DeploymentClient {
  /** The operators that it may call. */
  operators: readonly string[];
  /** Whether it may publish events, as `wb-client-<name>`, and hear all. Default `false`. */
  events?: boolean;
  /** Its password, at least 16 characters. Default: a random one, new at every start, which `waybill clients NAME` shows. */
  password?: string;
}
