/** Memory that is registered with UCX: tensors are sent from it and received into it. */
export interface UcxMemory {
  /** Its number on the wire that it was added to. */
  readonly id: number;
  /** Its size. */
  readonly byteLength: number;
}
