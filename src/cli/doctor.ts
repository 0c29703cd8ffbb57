import { type CommandDef, defineCommand } from "citty";
import { examine } from "./doctor/examine.ts";
import { renderFindings } from "./doctor/render.ts";

const args = {
  json: { type: "boolean", description: "Print JSON" },
} as const;

/** `waybill doctor`: what is on this machine, and what to do about what is not. */
export const doctor: CommandDef<typeof args> = defineCommand({
  meta: { name: "doctor", description: "Say what is on this machine, and what to do about what is not" },
  args,
  async run({ args }) {
    const findings = await examine();
    const ok = findings.every(({ required, state }) => !required || state === "ok");
    console.log(args.json ? JSON.stringify({ ok, findings }, undefined, 2) : renderFindings(findings, ok));
    if (!ok) process.exitCode = 1;
  },
});
