/** What a client has to know of the node that it is connected to. */
export interface NodeFacts {
  /** Its name. */
  readonly node: string;
  /** The namespace of its deployment. */
  readonly namespace: string;
  /** Whether its tensor service passes calls on to other nodes. */
  readonly relays: boolean;
  /** Most that a request may take, in bytes. */
  readonly maxMessageBytes: number;
}
