import { type CommandDef, defineCommand } from "citty";

/** `waybill dead-letters`: requests that were given up. */
export const deadLetters: CommandDef = defineCommand({
  meta: { name: "dead-letters", description: "List, show, retry or drop requests that were given up" },
  subCommands: {
    list: () => import("./dead-letters/list.ts").then(({ list }) => list),
    show: () => import("./dead-letters/show.ts").then(({ show }) => show),
    retry: () => import("./dead-letters/retry.ts").then(({ retry }) => retry),
    drop: () => import("./dead-letters/drop.ts").then(({ drop }) => drop),
  },
});
