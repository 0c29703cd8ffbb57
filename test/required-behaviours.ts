/**
 * What this project has to do whatever else it does: each behaviour has an id, and a test that carries it in brackets at the
 * beginning of its name. `npm run behaviours` prints the table; the gate fails when a behaviour has no test.
 *
 * @module
 */

/** A behaviour by its id. */
export type Behaviours = Readonly<Record<string, string>>;

/** Every behaviour that needs a test. */
export const requiredBehaviours: Behaviours = {
  // The request plane.
  RP1: "Requests may be sent from within the handler of an answer; an idle pull ends empty and is renewed, and nothing is lost",
  RP2: "Of 100 requests one after the other, to a worker in another process, each is answered once, and each answer ends",
  RP3: "Of two workers, the one that answered first is named by all later requests, and answers them all",
  RP4: "The same with workers that pull one request at a time and wait for it without end",

  // The data plane, reader and writer in processes of their own.
  DP1: "A reference that its owner does not know is refused to who reads, shares or renews it; to release it is harmless",
  DP2:
    "A tensor in CPU memory says so before it is fetched, has the same id and value after that, and its writer may end once it is released",
  DP3: "Every dtype is read by reference as it was written",
  DP4: "Every dtype is read from within the message as it was written",

  // Events.
  EV1: "A topic may be a string, and is printed with dots",
  EV2: "A topic may be a list, and is printed with dots",
  EV3: "A callback gets the event with its id",
  EV4: "An iterator gets the event with its id",
  EV5: "Without any filter all events are published and received",
  EV6: "A topic given as a string matches the same topic given as a list",
  EV7: "A payload of the user's own type comes back as that type and as a record",
  EV8: "Subscribers by topic and by type each get their part of one publisher's events",
  EV9: "The end of a scope unsubscribes and disconnects, also after an exception",

  // Workers.
  WK1: "Operators of four workers feed each other by reference and inline, in parallel, and the merged outputs are right",
  WK2: "A deployment's workers each write one log, their own; asked for, the folder is made and cleared first",
  WK3: "Of ten workers, requests that name five are answered by these five and by no other",
  WK4: "A chain of four operators, one of which yields ten tokens, answers in order and then ends",
  WK5: "The same chain answers ten requests through KServe's bidirectional stream",
  WK6: "10, 100 and 500 kB are echoed 100 times inline and by reference, and the latency of each is reported",
  WK7: "A worker that is told nothing connects to nats://127.0.0.1:4222 and logs at level info; it needs operators",
  WK8: "Any broker URL is taken as it was given",
  WK9: "Every combination of an operator's properties is understood on the command line",
  WK10: "An operator flag without a value is refused as wrong usage, with an exit code above 0",
  WK11: "An operator is given by name, properties and module; their order is kept; the module cannot be guessed",
  WK12: "Log levels 0, 1 and 2 show 2, 4 and 5 of five records of different severity",

  // The hello world.
  HW1: "Deployment and client may be started at the same moment; the client ends with 0, the deployment with 0 on SIGTERM",
  HW2: "The variant in a single file ends with 0",

  // Failure.
  F1: "A worker that is killed while it executes loses its request to another one",
  F2: "A worker that is killed in the middle of a stream fails that stream, which is not run again",
  F3: "When execute throws, the caller gets the error as the end of the call, and the slot is free again",
  F4: "A request to an unknown operator is answered",
  F5: "A broker that restarts ends no call twice and leaves none open",
  F6: "A request directed to a dead instance fails fast",
  F7: "SIGTERM drains: what runs is still answered",

  // Cancel and time.
  C1: "A cancel before a worker has pulled the request ends it",
  C2: "A cancel before the first answer ends the operator",
  C3: "A cancel in the middle of a stream ends both sides",
  C4: "A cancel reaches what the operator calls",
  C5: "A deadline that passes in the queue is kept: the request is not executed",
  C6: "A deadline that passes while the operator runs ends it",
  C7: "A deadline that passes in the middle of a stream ends both sides",

  // Lifetimes.
  L1: "What a consumer that died did not release is freed by its lease",
  L2: "A second release does nothing",
  L3: "10,000 references that nobody releases are reported and freed",
  L4: "Many fetches at once over connections that stay open never mix their bytes",
  L5: "A slow consumer stays within its bound of memory",

  // Payloads.
  P1: "More than 1 MB arrives",
  P2: "More than 32 MB arrives",
  P3: "Elements that end with NUL arrive with it",
  P4: "BF16 arrives",
  P5: "A tensor of size zero arrives",
  P6: "A scalar arrives",
  P7: "A part of a larger array arrives alone, wherever it begins",
  P8: "A boolean parameter stays a boolean",
  P9: "Integers beyond 2^53 stay exact, as parameters and as elements",

  // Invariants.
  I1: "No more requests run than may, and no slot is lost",
  I2: "Workers that can do the same get their share of the requests",
  I3: "Every call has exactly one final outcome",
  I4: "Two deployments on one host do not meet",
  I5: "Names may hold dots, dashes, spaces and more, and stay different",

  // The workflow of the hello world.
  W1: "More than one copy is made and checked",
  W2: "Encoder and decoder alone are checked against what they alone do",
  W3: "Several clients work at the same time",
  W4: "Inputs vary in size around their mean, 0 included",
  W5: "The orchestrator sees next to no data",
  W6: "GPU instances may be asked for where there is no GPU",
  W7: "The broker's URL is the one that the flag names",
  W8: "A log folder that is to be cleared may be missing",
};

/** Behaviours whose test cannot be written yet, and why. */
export const pendingBehaviours: Behaviours = {};

/** Parts of behaviours that no test can cover here, and why. */
export const excludedBehaviours: Behaviours = {
  DP2: "tensors in a GPU's memory: there is no device memory in the data plane of this version",
};
