import type { InstanceRecord, OperatorDeclaration } from "../../gen/waybill/v1/discovery_pb.ts";

/** How to wait for the store of the records. */
export interface DiscoveryCallOptions {
  /** Gives up when aborted. */
  signal?: AbortSignal;
  /** How long to try. Default 5,000 ms. */
  timeoutMs?: number;
}

/** How an instance is registered. */
export interface RegisterOptions extends DiscoveryCallOptions {
  /**
   * After how long without renewal the instance counts as gone. Default: the record's `leaseMs`, else 10,000 ms. With one shorter
   * than a cluster takes to choose a leader (up to 5 s), instances go and come back whenever it does.
   */
  leaseMs?: number;
  /** How often the lease is renewed. Default: a third of the lease, so that two renewals may be lost. */
  renewMs?: number;
}

/** Which instances to give. */
export interface InstanceFilter {
  /** Only those that serve this operator. Default: all. */
  operator?: string;
  /** Only those that serve this version of it. Default: any version. */
  version?: string;
}

/** What an instance may change while it lives. */
export type InstancePatch = Partial<Omit<InstanceRecord, "$typeName" | "$unknown" | "instance" | "leaseMs">>;

/** An instance's own record, renewed until it is closed. */
export interface Registration extends AsyncDisposable {
  /** The record as it was last written or is being written; a copy. */
  readonly record: InstanceRecord;
  /**
   * Changes fields of the record, for example `{ draining: true }`. When it fails, the next renewal carries the change.
   *
   * @throws {ConnectError} `unavailable` when the store cannot be reached, `failed_precondition` after {@linkcode close}
   */
  update(patch: InstancePatch, options?: DiscoveryCallOptions): Promise<void>;
  /**
   * Ends the renewals and deletes the record, so that others know at once. Never fails: where the store cannot be reached,
   * the lease runs out. Safe to call twice.
   *
   * @param options `timeoutMs` is 2,000 by default
   */
  close(options?: DiscoveryCallOptions): Promise<void>;
}

/** Something that a watcher learnt. */
export type DiscoveryEvent =
  | { readonly type: "instance-up"; readonly instance: InstanceRecord }
  | { readonly type: "instance-changed"; readonly instance: InstanceRecord; readonly previous: InstanceRecord }
  /** `closed`: it said goodbye; `expired`: its lease was not renewed. */
  | { readonly type: "instance-gone"; readonly instance: InstanceRecord; readonly reason: "closed" | "expired" }
  /** New or changed. */
  | { readonly type: "declared"; readonly declaration: OperatorDeclaration }
  | { readonly type: "undeclared"; readonly declaration: OperatorDeclaration }
  /** All that there was at the start has been reported. Comes once. */
  | { readonly type: "ready" };

/** A running watch; what it holds is as new as the last event. */
export interface Watch extends AsyncDisposable {
  /** The instances alive now, as far as known. Records are shared: do not change them. */
  instances(): InstanceRecord[];
  /** The operators declared now, as far as known. Records are shared: do not change them. */
  declarations(): OperatorDeclaration[];
  /** Ends it. No event comes after that. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Who serves what: declarations of operators, which outlive the workers, and records of instances, which live as long as
 * their lease is renewed.
 *
 * Reads tell "there is none" (`undefined` or an empty list) from "cannot tell", which they throw: `unavailable` when the
 * store does not answer, `permission_denied` when it may not be read with these credentials.
 */
export interface Discovery extends AsyncDisposable {
  /**
   * Says that an operator exists. Versions are added to those declared before, by whomever; the default version becomes the
   * highest ({@linkcode highestVersion}), whatever the argument says; of the other fields those that are set replace the
   * stored ones. A store that lost its content gets the declaration again as long as this object lives.
   *
   * @returns the declaration as stored
   * @throws {ConnectError} `invalid_argument` for a declaration without name or versions, `aborted` when others kept changing
   * it, `unavailable`, `permission_denied`
   */
  declare(declaration: OperatorDeclaration, options?: DiscoveryCallOptions): Promise<OperatorDeclaration>;

  /**
   * Withdraws an operator with all its versions; nothing happens when it was not declared.
   *
   * @throws {ConnectError} `unavailable`, `permission_denied`
   */
  undeclare(name: string, options?: DiscoveryCallOptions): Promise<void>;

  /**
   * Withdraws one version of an operator, where it has others; the default version becomes the highest of those.
   *
   * @returns the declaration as stored; `undefined` when nothing was changed, as there is no such version or no other
   * @throws {ConnectError} `aborted` when others kept changing it, `unavailable`, `permission_denied`
   */
  withdraw(name: string, version: string, options?: DiscoveryCallOptions): Promise<OperatorDeclaration | undefined>;

  /**
   * One operator's declaration: one cheap read.
   *
   * @returns `undefined` when it is known that there is none
   * @throws {ConnectError} `unavailable` or `permission_denied` when that cannot be told
   */
  declaration(name: string, options?: DiscoveryCallOptions): Promise<OperatorDeclaration | undefined>;

  /**
   * All declarations, by name.
   *
   * @throws {ConnectError} `unavailable`, `permission_denied`
   */
  declarations(options?: DiscoveryCallOptions): Promise<OperatorDeclaration[]>;

  /**
   * Writes an instance's record and keeps renewing its lease, through outages of the store too: the instance is there again
   * at once when the connection is, also when the store lost its content.
   *
   * @throws {ConnectError} `invalid_argument` when `instance` is no id, `unavailable` when the first write fails,
   * `permission_denied`
   */
  register(record: InstanceRecord, options?: RegisterOptions): Promise<Registration>;

  /**
   * Deletes an instance's record in place of its process, which is known to have ended without a goodbye, so that nobody waits for its
   * lease to run out; nothing happens when there is none.
   *
   * @throws {ConnectError} `unavailable`, `permission_denied`
   */
  forget(instance: string, options?: DiscoveryCallOptions): Promise<void>;

  /**
   * The instances alive now. Draining ones are among them.
   *
   * @throws {ConnectError} `unavailable`, `permission_denied`
   */
  instances(filter?: InstanceFilter, options?: DiscoveryCallOptions): Promise<InstanceRecord[]>;

  /**
   * One instance: one cheap read.
   *
   * @returns `undefined` when it is known not to be there
   * @throws {ConnectError} `unavailable`, `permission_denied`
   */
  instance(id: string, options?: DiscoveryCallOptions): Promise<InstanceRecord | undefined>;

  /**
   * Reports what there is, then what changes, until it is closed or `signal` aborts. Outages of the store show as the
   * differences they made, and an instance counts as gone only when it was not heard of for its lease (and a margin) by this
   * process's clock while the store could be heard.
   *
   * @param listener called in order; what it throws is logged
   * @returns once all that there was has been reported
   * @throws {ConnectError} `unavailable` when the store was not reached within `timeoutMs`, `permission_denied`
   */
  watch(listener: (event: DiscoveryEvent) => void, options?: DiscoveryCallOptions): Promise<Watch>;
}
