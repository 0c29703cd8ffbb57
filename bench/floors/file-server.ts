/** Serves one file of so many bytes by `node:http`. Answers with its URL. */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { serveRequests } from "../lib/program.ts";

const size = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "waybill-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "file");
writeFileSync(file, new Uint8Array(size).fill(7));
const server = createServer((_request, response) => {
  response.writeHead(200, { "content-length": size, "content-type": "application/octet-stream" });
  createReadStream(file, { highWaterMark: 2 ** 20 }).pipe(response);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
await serveRequests(() => ({ url }));
