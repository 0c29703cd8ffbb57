import { createServer, type Server, type Socket } from "node:net";
import { rm, writeFile } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { fault } from "../../rpc/error.ts";
import type { ChangeProgress } from "../changes.ts";
import { checkFolders } from "./folders.ts";
import { isAnswering } from "./client.ts";
import {
  type ControlAnswer,
  type ControlCall,
  type ControlProgress,
  type ControlRecord,
  type ControlRequest,
  firstLine,
} from "./messages.ts";
import { ensureStateFolder, stateFiles } from "./state-folder.ts";

/** What a deployment answers with. */
export type ControlHandler = (request: ControlRequest, call: ControlCall) => Promise<ControlAnswer>;

/** Names that are tried where none was given: `default`, `default-2`, … */
const mostNames = 100;
/** How long those who have asked may take to hear the answer. */
const answerMs = 1_000;

/**
 * A running deployment's place in the folder of this user's deployments: a socket to ask and stop it, and a record for when it does not
 * answer. What starts and stops code is here and never on the bus.
 */
export class ControlServer {
  /** The deployment's name. */
  readonly name: string;
  /** Where the sockets of its sidecars are. */
  readonly socketFolder: string;
  readonly #server: Server;
  readonly #files: ReturnType<typeof stateFiles>;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Set<Promise<void>>();

  private constructor(server: Server, name: string, folder: string, handle: ControlHandler) {
    this.#server = server;
    this.name = name;
    this.#files = stateFiles(folder, name);
    this.socketFolder = this.#files.nodes;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      void this.#serve(socket, handle);
    });
  }

  async #serve(socket: Socket, handle: ControlHandler): Promise<void> {
    socket.on("error", () => {});
    const line = await firstLine(socket);
    if (line === undefined) return void socket.destroy();
    const gone = new AbortController();
    socket.once("close", () => gone.abort(fault("Gave up what was asked for: whoever asked has gone", Code.Canceled)));
    const onProgress = (progress: ChangeProgress) => {
      const line: ControlProgress = { progress };
      if (socket.writable) socket.write(`${JSON.stringify(line)}\n`);
    };
    const answered = replyTo(line, { signal: gone.signal, onProgress }, handle).then((reply) =>
      sendLast(socket, JSON.stringify(reply))
    );
    this.#answers.add(answered);
    await answered;
    this.#answers.delete(answered);
  }

  /**
   * Takes a name and listens.
   *
   * @param wanted the name, or `fallback` and a number where another deployment has it
   * @throws {ConnectError} `already_exists` when a running deployment has the name that is wanted, or writes to the same folders
   */
  static async open(
    folder: string,
    names: { readonly wanted: string | undefined; readonly fallback: string },
    facts: Omit<ControlRecord, "name">,
    handle: ControlHandler,
  ): Promise<ControlServer> {
    await ensureStateFolder(folder);
    for (let number = 1; number <= mostNames; number++) {
      const name = names.wanted ?? (number === 1 ? names.fallback : `${names.fallback}-${number}`);
      const server = await listen(stateFiles(folder, name).socket);
      if (server !== undefined) {
        const control = new ControlServer(server, name, folder, handle);
        const record: ControlRecord = { name, ...facts };
        await writeFile(control.#files.record, JSON.stringify(record), { mode: 0o600 });
        await checkFolders(folder, record).catch(async (error) => {
          await control.close();
          throw error;
        });
        return control;
      }
      if (names.wanted !== undefined) break;
    }
    const name = names.wanted ?? names.fallback;
    const advice = `stop it with "waybill down ${name}", or give this one another name`;
    throw fault(`Cannot start the deployment "${name}": one of that name runs already; ${advice}`, Code.AlreadyExists);
  }

  /** What to remove when this process is killed. */
  get files(): readonly string[] {
    return Object.values(this.#files);
  }

  /** Where programs of this user find who to be at the deployment's broker. */
  get loginsFile(): string {
    return this.#files.logins;
  }

  /** Takes no more questions, and waits until those asked are answered. */
  async close(): Promise<void> {
    for (const file of [this.#files.record, this.#files.logins]) await rm(file, { force: true });
    // Some runtimes leave the socket's file.
    await rm(this.#files.socket, { force: true });
    await rm(this.#files.nodes, { recursive: true, force: true });
    this.#server.close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([Promise.all(this.#answers), new Promise((resolve) => timer = setTimeout(resolve, answerMs))]);
    clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Listens on a socket, unless somebody answers there already. */
async function listen(path: string): Promise<Server | undefined> {
  const server = createServer();
  const attempt = () =>
    new Promise<boolean>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => error.code === "EADDRINUSE" ? resolve(false) : reject(error));
      server.listen(path, () => resolve(true));
    });
  try {
    if (await attempt()) return server;
    if (await isAnswering(path)) return undefined;
    // Left by one that was killed.
    await rm(path, { force: true });
    return await attempt() ? server : undefined;
  } catch (cause) {
    throw fault(`Cannot listen on "${path}": ${(cause as Error).message}`, Code.FailedPrecondition, {}, cause);
  }
}

/** Sends what is the last, and settles when the other side has it or has gone. */
function sendLast(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.once("close", () => resolve());
    socket.end(`${text}\n`);
  });
}

async function replyTo(line: string, call: ControlCall, handle: ControlHandler): Promise<ControlAnswer> {
  try {
    return await handle(JSON.parse(line), call);
  } catch (error) {
    const { rawMessage, code } = ConnectError.from(error);
    return { error: rawMessage, code };
  }
}
