import { redactUrl } from "../bus/urls.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const secretName = /TOKEN|SECRET|PASS|CREDENTIAL|AUTH|PRIVATE|(^|_)KEY/i;

/**
 * What a process is told beside what its parent knows already, for people to read: values whose names sound like secrets are hidden, and
 * so are credentials in URLs.
 */
export function shownEnvironment(env: Environment, inherited: Environment): Record<string, string> {
  const own = Object.entries(env).filter(([name, value]) => value !== undefined && value !== inherited[name]);
  return Object.fromEntries(own.map(([name, value = ""]) => [name, secretName.test(name) ? "***" : shown(value)]));
}

function shown(value: string): string {
  return value.includes("://") ? value.split(",").map(redactUrl).join(",") : value;
}
