/**
 * What each kind of user may do at the broker: the one place where it is written down. Add a subject to the list of those that need
 * it, to the tables of test/deployment/permissions-table.ts, and to docs/permissions.md.
 *
 * @module
 */
import { inboxPrefixOf } from "../../bus/owner.ts";
import { discoveryRights } from "../../discovery/mod.ts";
import { escapeName } from "../../rpc/names.ts";
import { Subjects } from "../../rpc/subjects.ts";

/** Whose rights. */
export interface RightsOf {
  readonly namespace: string;
  /** The user's name: what it listens to begins with it. */
  readonly user: string;
  /** The operators that it may call, or serve; `undefined` stands for all. */
  readonly operators: readonly string[] | undefined;
}

/** Whose rights, where it is a client. */
export interface ClientRightsOf extends RightsOf {
  /** Whether it may publish events of its own, and hear all. */
  readonly events: boolean;
  /** The workers' users, who may read its own tensors. */
  readonly readers: readonly string[];
}

/** A client's rights, by how its messages cross from its own account into the deployment's. */
export interface ClientRights {
  /** It sends; the broker stores nothing of it, and so answers nothing. */
  readonly sends: readonly string[];
  /** It asks, and the broker answers: with one message, or with several. */
  readonly asks: readonly { readonly subject: string; readonly answers: "one" | "many" }[];
  /** Others send, and it listens. */
  readonly hears: readonly string[];
}

/** Rights of users in the deployment's own account. */
export interface MemberRights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** What of that is not delivered: nats-server takes `a.*` for permission to subscribe to `a.>` as well. */
  readonly denySubscribe?: readonly string[];
}

const ALL = "*";
const tokensOf = (operators: readonly string[] | undefined) => operators?.map(escapeName) ?? [ALL];

/** A client calls the operators that it is granted, reads discovery, and listens below its own name. It has no right on storage. */
export function clientRights({ namespace, user, operators, events, readers }: ClientRightsOf): ClientRights {
  const root = `wb.${namespace}`;
  const tokens = tokensOf(operators);
  const one = (subject: string) => ({ subject, answers: "one" as const });
  const many = (subject: string) => ({ subject, answers: "many" as const });
  const [read = "", ...reads] = discoveryRights(namespace, "read");
  return {
    sends: [
      ...tokens.flatMap((token) => [
        `${root}.s.${token}.*`, // direct requests
        `${root}.i.${token}.*`, // requests to one instance
        `${root}.c.${token}.*`, // later frames: credits, cancels
        `${root}.x.${token}`, // cancels and probes of what any instance may have
      ]),
      `${root}.n.*`, // tensors over the bus; a capability says which
      // Answers to workers that read its own tensors: by random ids that only they have told it. What else workers hear below their
      // names, deliveries and signs of lost callers, is a token deeper.
      ...readers.map((reader) => `${root}.r.${reader}.*.*`),
    ],
    asks: [
      ...tokens.map((token) => one(`${root}.q.${token}.*.*`)), // queued requests: the broker says that it has them
      ...tokens.map((token) => one(`${root}.t.${token}.${user}.*.*`)), // cancels of its own, for instances to come
      ...(events ? [one(`${root}.evt.*.${escapeName(user)}.>`)] : []),
      many(read), // discovery: lists come in several messages
      ...reads.map(one),
    ],
    hears: [
      `${root}.r.${user}.>`, // answers
      `${root}.n.${user}.*`, // readers of its own tensors (`serveTensors`)
      ...(events ? [`${root}.evt.>`] : []),
    ],
  };
}

/** A worker serves its operators, makes and pulls from their queues, and calls any operator. */
export function workerRights({ namespace, user, operators }: RightsOf): MemberRights {
  const root = `wb.${namespace}`;
  const tokens = tokensOf(operators);
  const names = new Subjects(namespace);
  const streams = operators?.map((name) => names.queueStream(name)) ?? [ALL];
  const dead = names.deadLetterStream();
  const calls = names.callStream();
  const discovery = discoveryRights(namespace, "write").filter((subject) => !subject.startsWith("$KV."));
  return {
    publish: [
      `${root}.r.>`, // answers
      ...["q", "s", "i", "c", "x", "t", "n"].map((kind) => `${root}.${kind}.>`), // calls of its own, and tensors of others
      `${root}.evt.>`, // events of its instance
      ...tokens.flatMap((token) => [`${root}.dl.${token}`, `${root}.a.${token}.>`]), // dead letters, attempts
      ...streams.flatMap((stream) => [
        `$JS.API.STREAM.CREATE.${stream}`,
        `$JS.API.STREAM.UPDATE.${stream}`,
        `$JS.API.STREAM.MSG.GET.${stream}`, // is a request still stored?
        `$JS.API.STREAM.MSG.DELETE.${stream}`, // a canceled one
        `$JS.API.CONSUMER.CREATE.${stream}.*`,
        `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
        `$JS.ACK.${stream}.>`,
      ]),
      `$JS.API.STREAM.CREATE.${dead}`,
      `$JS.API.STREAM.UPDATE.${dead}`,
      `$JS.API.STREAM.INFO.${dead}`, // also the broker's time
      ...["CREATE", "UPDATE", "PURGE", "MSG.GET", "MSG.DELETE"].map((what) => `$JS.API.STREAM.${what}.${calls}`),
      ...discovery,
      ...tokens.map((token) => `$KV.wb_${namespace}.decl.${token}`), // what it declares
      `$KV.wb_${namespace}.inst.*`, // its own record
    ],
    subscribe: [
      ...tokens.flatMap((token) => [
        `${root}.s.${token}.*`,
        `${root}.i.${token}.*`,
        `${root}.c.${token}.*`,
        `${root}.x.${token}`,
        `${root}.w.${token}.>`, // wake-ups of operators with priorities
      ]),
      `${root}.n.*`, // its tensors
      `${root}.evt.>`,
      `${root}.r.${user}.>`, // deliveries, and answers to calls of its own
      `${inboxPrefixOf(user)}.>`,
    ],
    denySubscribe: [`${root}.n.*.>`], // clients' tensors
  };
}

/** A node's sidecar serves the node's tensors, reads those of others, and passes calls on to any operator. It serves none. */
export function sidecarRights(
  { namespace, user, node }: Pick<RightsOf, "namespace" | "user"> & { readonly node: string },
): MemberRights {
  const root = `wb.${namespace}`;
  const names = new Subjects(namespace);
  const discovery = discoveryRights(namespace, "write").filter((subject) => !subject.startsWith("$KV."));
  return {
    publish: [
      `${root}.r.>`, // answers
      ...["q", "s", "i", "c", "x", "t", "n"].map((kind) => `${root}.${kind}.>`), // calls that it passes on, and tensors of others
      ...discovery,
      `$KV.wb_${namespace}.inst.*`, // its own record
    ],
    subscribe: [
      names.node(node),
      names.nodeControl(node), // what it holds, for the supervisor and this user's tools
      `${root}.r.${user}.>`,
      `${inboxPrefixOf(user)}.>`,
    ],
  };
}

/** The supervisor, and this user's tools: queues, dead letters, discovery and control, and nothing that serves operators. */
export function supervisorRights({ namespace, user }: RightsOf): MemberRights {
  const root = `wb.${namespace}`;
  return {
    publish: [
      ...["q", "s", "i", "c", "x", "t", "n", "dl", "ctl", "evt"].map((kind) => `${root}.${kind}.>`),
      `${root}.ctl`,
      "$JS.API.>", // makes, looks after and removes queues; reads and removes dead letters
      "$JS.ACK.>",
      `$JS.FC.KV_wb_${namespace}.>`,
      `$KV.wb_${namespace}.>`,
    ],
    subscribe: [
      `${root}.ctl`,
      `${root}.ctl.>`,
      `${root}.dl.*`,
      `${root}.t.>`,
      `${root}.evt.>`,
      `${root}.r.${user}.>`,
      `${inboxPrefixOf(user)}.>`,
    ],
  };
}
