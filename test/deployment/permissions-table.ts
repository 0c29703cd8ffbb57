/**
 * What may be published and subscribed to, by whom. Everything is refused to those whose letter a row does not have.
 *
 * The namespace is `t`; the component `math` serves `double` and nothing else; the client `web` may call `double`, and `quiet` too.
 *
 * @module
 */

/** Users by their letters. */
export const USERS = {
  /** This user's own programs. */
  c: "wb-client",
  w: "wb-client-web",
  q: "wb-client-quiet",
  /** A worker started by hand. */
  h: "wb-worker",
  m: "wb-worker-math",
  /** The sidecar of the node `x`. */
  n: "wb-sidecar-x",
  s: "wb-supervisor",
} as const;

/** A user's letter. */
export type Letter = keyof typeof USERS;

/** A subject, and the letters of those who may. */
export type Row = readonly [subject: string, letters: string];

const all = "cwqhmns";
const members = "hms";

/** What may be published to. */
export const PUBLISH: readonly Row[] = [
  ["wb.t.q.double.1.0", all],
  ["wb.t.q.double.=.0", all],
  ["wb.t.q.who.1.0", "chmns"],
  ["wb.t.s.double.1", all],
  ["wb.t.s.who.1", "chmns"],
  ["wb.t.i.double.x", all],
  ["wb.t.i.who.x", "chmns"],
  ["wb.t.c.double.x", all],
  ["wb.t.c.who.x", "chmns"],
  ["wb.t.x.double", all],
  ["wb.t.x.who", "chmns"],
  ["wb.t.t.double.wb-client.x.y", "chmns"],
  ["wb.t.t.double.wb-client-web.x.y", "whmns"],
  ["wb.t.t.who.wb-client-web.x.y", "hmns"],
  ["wb.t.t.double.x.y", "hmns"],
  ["wb.t.n.x", all],
  ["wb.t.n.wb-client.x", "hmns"],
  // To workers that read a client's own tensors.
  ["wb.t.r.wb-worker.x.y", "cwqhmn"],
  ["wb.t.r.wb-worker-math.x.y", "cwqhmn"],
  ["wb.t.r.wb-sidecar-x.x.y", "cwqhmn"],
  ["wb.t.r.wb-worker-math.x.gone.1", "hmn"],
  ["wb.t.r.wb-worker-math.x.pull.y", "hmn"],
  ["wb.t.r.wb-supervisor.x.y", "hmn"],
  ["wb.t.r.wb-client.x.y", "hmn"],
  ["wb.t.r.wb-client-web.x.y", "hmn"],
  ["wb.t.r.x.y", "hmn"],
  ["wb.t.w.double.1.0", ""],
  ["wb.t.a.double.x.y.0", "hm"],
  ["wb.t.a.who.x.y.0", "h"],
  ["wb.t.dl.double", members],
  ["wb.t.dl.who", "hs"],
  ["wb.t.ctl", "s"],
  ["wb.t.ctl.scale", "s"],
  ["wb.t.ctl.n.x", "s"],
  ["wb.t.evt.note.wb-client.=", "chms"],
  ["wb.t.evt.note.wb-client-web.=", members],
  ["wb.t.evt.note.someone.=", members],
  ["wb.t.q", ""],
  ["wb.t", ""],
  ["wb", ""],
  ["anything", ""],
  ["_INBOX.x", ""],
  ["_INBOX_wb-client.x", ""],
  ["_INBOX_wb-supervisor.x", ""],
  ["$KV.wb_t.decl.double", members],
  ["$KV.wb_t.decl.who", "hs"],
  ["$KV.wb_t.inst.x", "hmns"],
  ["$KV.wb_t.other", "s"],
  ["$KV.wb_other.inst.x", ""],
  ["$JS.FC.KV_wb_t.x", "hmns"],
  ["$JS.ACK.wb+t+q+double.v1-p0.1.1.1.1.0", members],
  ["$JS.ACK.wb+t+q+who.v1-p0.1.1.1.1.0", "hs"],
  ["$SYS.REQ.USER.INFO", ""],
  ["$SYS.REQ.SERVER.PING", ""],
  ["$SYS.REQ.ACCOUNT.PING.CONNZ", ""],
  ["$SYS.REQ.CLAIMS.UPDATE", ""],
  ["$JS.API.INFO", "s"],
  ["$JS.API.STREAM.NAMES", "s"],
  ["$JS.API.STREAM.LIST", "s"],
  ["$JS.API.ACCOUNT.PURGE.WAYBILL", "s"],
  ["$JS.API.META.LEADER.STEPDOWN", "s"],
  ["$JS.API.SERVER.REMOVE", "s"],
];

/** What of the broker's storage is asked for a stream, with `*` in its place. */
const STREAM_REQUESTS = [
  ...["CREATE", "UPDATE", "DELETE", "PURGE", "INFO", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN", "PEER.REMOVE"].map((verb) =>
    `STREAM.${verb}.*`
  ),
  ...["STREAM.MSG.GET.*", "STREAM.MSG.DELETE.*", "DIRECT.GET.*", "DIRECT.GET.*.x"],
  ...["CREATE.*", "CREATE.*.x", "CREATE.*.x.y", "DURABLE.CREATE.*.x", "DELETE.*.x", "INFO.*.x", "LIST.*", "NAMES.*"].map((
    verb,
  ) => `CONSUMER.${verb}`),
  ...["CONSUMER.MSG.NEXT.*.x", "CONSUMER.PAUSE.*.x", "CONSUMER.UNPIN.*.x", "CONSUMER.LEADER.STEPDOWN.*.x"],
];

const queueRequests = "CREATE UPDATE MSG.GET MSG.DELETE".split(" ").map((verb) => `STREAM.${verb}.*`)
  .concat("CONSUMER.CREATE.*.x", "CONSUMER.MSG.NEXT.*.x");

/** Streams, and who may ask what of them. The supervisor may ask everything. */
const STREAMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "wb+t+q+double": { hm: queueRequests },
  "wb+t+q+who": { h: queueRequests },
  "wb+t+dl": { hm: ["STREAM.CREATE.*", "STREAM.UPDATE.*", "STREAM.INFO.*"], h: queueRequests },
  "wb+t+t": {
    hm: ["CREATE", "UPDATE", "PURGE", "MSG.GET", "MSG.DELETE"].map((verb) => `STREAM.${verb}.*`),
    h: queueRequests,
  },
  "KV_wb_t": {
    cwqhmn: ["DIRECT.GET.*", "DIRECT.GET.*.x", "STREAM.INFO.*"],
    hmn: ["STREAM.CREATE.*", "CONSUMER.CREATE.*.x", "CONSUMER.CREATE.*.x.y"],
    h: queueRequests,
  },
  "KV_wb_other": { h: queueRequests },
  "ORDERS": { h: queueRequests },
};

/** What may be asked of streams. */
export const STORAGE: readonly Row[] = Object.entries(STREAMS).flatMap(([stream, grants]) =>
  STREAM_REQUESTS.map((request): Row => {
    const letters = Object.entries(grants).filter(([, requests]) => requests.includes(request)).map(([who]) => who).join("");
    return [`$JS.API.${request.replace("*", stream)}`, letters];
  })
);

/** What the supervisor may ask; of a stream that is not there, since much of it destroys. */
export const SUPERVISOR_STORAGE: readonly string[] = STREAM_REQUESTS.map((request) =>
  `$JS.API.${request.replace("*", "none")}`
);

/** What may be subscribed to. */
export const SUBSCRIBE: readonly Row[] = [
  ...[">", "*", "*.>", "wb.>", "wb.*.>", "wb.t.>", "wb.t.*.>", "wb.*.r.>", "wb.t.*.double.>", "_INBOX.>", "_R_.>"].map((
    subject,
  ): Row => [subject, ""]),
  ...Object.entries(USERS).flatMap(([letter, user]): Row[] => [
    [`wb.t.r.${user}.>`, letter],
    [`wb.t.r.${user}.x.y`, letter],
    [`_INBOX_${user}.>`, letter],
  ]),
  ["wb.t.r.>", ""],
  ["wb.t.r.x.>", ""],
  ["wb.t.q.>", ""],
  ["wb.t.q.double.1.0", ""],
  ["wb.t.s.>", ""],
  ["wb.t.s.*.*", "h"],
  ["wb.t.s.double.1", "hm"],
  ["wb.t.s.who.1", "h"],
  ["wb.t.i.double.x", "hm"],
  ["wb.t.i.who.x", "h"],
  ["wb.t.c.double.x", "hm"],
  ["wb.t.c.who.x", "h"],
  ["wb.t.x.double", "hm"],
  ["wb.t.x.who", "h"],
  ["wb.t.w.double.1.*", "hm"],
  ["wb.t.w.who.1.*", "h"],
  // Taken for `wb.t.n.*`, and what is deeper is not delivered: another test looks.
  ["wb.t.n.>", "hm"],
  ["wb.t.n.*.*", ""],
  ["wb.t.n.x", "hmn"],
  ["wb.t.ctl.n.x", "ns"],
  ["wb.t.ctl.n.y", "s"],
  ["wb.t.n.wb-client.*", "c"],
  ["wb.t.n.wb-client-web.*", "w"],
  ["wb.t.t.>", "s"],
  ["wb.t.dl.*", "s"],
  ["wb.t.ctl", "s"],
  ["wb.t.ctl.>", "s"],
  ["wb.t.evt.>", "chms"],
  ["wb.t.evt.*.*.jobs.>", "chms"],
  ["$KV.>", ""],
  ["$KV.wb_t.>", ""],
  ["$JS.>", ""],
  ["$JS.API.>", ""],
  ["$JS.ACK.>", ""],
  ["$JS.EVENT.>", ""],
  ["$SYS.>", ""],
  ["$SYS.ACCOUNT.>", ""],
];

/** The same subject of another namespace. */
export function elsewhere(subject: string): string {
  return subject.replace(/^wb\.t\./, "wb.other.").replace(/^\$JS\.API\.(.*)wb\+t\+/, "$JS.API.$1wb+other+");
}
