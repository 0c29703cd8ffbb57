import { type CommandDef, defineCommand } from "citty";
import { Code, ConnectError } from "@connectrpc/connect";
import { clientsOfRunning, type RunningClient } from "../deployment/mod.ts";
import { telling } from "./failure.ts";

const args = {
  name: { type: "positional", description: "Prints this client's URLs, with its password in them", required: false },
  deployment: { type: "string", description: "The deployment, as ps calls it; needed where several have such a client" },
} as const;

/** `waybill clients [NAME]`: who may connect to running deployments as a client; a secret is printed only for the one that is named. */
export const clients: CommandDef<typeof args> = defineCommand({
  meta: { name: "clients", description: "List who may call running deployments; print the URLs of one, with its password" },
  args,
  run: ({ args: { name, deployment } }) =>
    telling(() => {
      const all = clientsOfRunning().filter((client) => deployment === undefined || client.deployment === deployment);
      if (name === undefined) console.log(all.map(line).join("\n") || "No deployment with a broker of its own runs");
      else for (const url of theOne(all, name).urls) console.log(url);
      return Promise.resolve(0);
    }),
});

function line({ deployment, name, user, operators }: RunningClient): string {
  const what = operators === undefined ? "every operator" : operators.join(", ");
  return `${deployment}: ${name ?? `${user}, this user's own programs`} may call ${what}`;
}

function theOne(all: readonly RunningClient[], wanted: string): RunningClient {
  const [first, second] = all.filter(({ name, user }) => name === wanted || user === wanted);
  if (first === undefined) {
    const known = all.map(({ name, user }) => `"${name ?? user}"`).join(", ") || "none";
    throw new ConnectError(`Cannot print the URLs of the client "${wanted}": the clients are ${known}`, Code.NotFound);
  }
  if (second === undefined) return first;
  const text = `Cannot print the URLs of the client "${wanted}": --deployment must say whose, which is in several`;
  throw new ConnectError(text, Code.InvalidArgument);
}
