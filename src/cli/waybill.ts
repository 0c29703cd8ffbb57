import { type CommandDef, defineCommand } from "citty";
import { version } from "./version.ts";

/** The command `waybill`. Its subcommands are loaded when they are run, so that one does not wait for the others' libraries. */
export const waybill: CommandDef = defineCommand({
  meta: { name: "waybill", version, description: "Call operators on GPU nodes from any JavaScript runtime" },
  subCommands: {
    init: () => import("./init.ts").then(({ init }) => init),
    up: () => import("./up.ts").then(({ up }) => up),
    ps: () => import("./ps.ts").then(({ ps }) => ps),
    top: () => import("./top.ts").then(({ top }) => top),
    status: () => import("./status.ts").then(({ status }) => status),
    logs: () => import("./logs.ts").then(({ logs }) => logs),
    scale: () => import("./scale.ts").then(({ scale }) => scale),
    restart: () => import("./restart.ts").then(({ restart }) => restart),
    apply: () => import("./apply.ts").then(({ apply }) => apply),
    add: () => import("./add.ts").then(({ add }) => add),
    remove: () => import("./remove.ts").then(({ remove }) => remove),
    down: () => import("./down.ts").then(({ down }) => down),
    clients: () => import("./clients.ts").then(({ clients }) => clients),
    worker: () => import("./worker.ts").then(({ worker }) => worker),
    sidecar: () => import("./sidecar.ts").then(({ sidecar }) => sidecar),
    tensors: () => import("./tensors.ts").then(({ tensors }) => tensors),
    "dead-letters": () => import("./dead-letters.ts").then(({ deadLetters }) => deadLetters),
    doctor: () => import("./doctor.ts").then(({ doctor }) => doctor),
  },
});
