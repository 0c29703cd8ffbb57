import type { FileHandle } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { invalid } from "./errors.ts";
import type { MemoryRegion, SharedMemory } from "./host.ts";

/** Where the memory of this host is. */
export interface SystemMemoryOptions {
  /** Default `"/dev/shm"`: POSIX shared memory, on Linux. */
  directory?: string;
  /** Most regions that are registered at once. Default 1,024. */
  maxRegions?: number;
}

/** Others' memory that clients have no business with: of Triton's Python models, and of Waybill's nodes. */
const FOREIGN = /^\/(triton_python_backend_shm_region_|waybill-)/;

interface OpenRegion extends MemoryRegion {
  readonly file: FileHandle;
}

/**
 * System shared memory that clients on this host register, for Node, Bun and Deno. A client that may register reads and writes any
 * shared memory that this process's user may, but for Waybill's own: enable it for clients that you trust as much as that user.
 *
 * Nothing is mapped: parts are read and written as the tensors come and go, so that a client which shortens its memory gets an
 * error, and does not end the server.
 */
export function systemSharedMemory(options: SystemMemoryOptions = {}): SharedMemory & AsyncDisposable {
  const { directory = "/dev/shm", maxRegions = 1_024 } = options;
  const regions = new Map<string, OpenRegion>();
  const unregister = async (name?: string): Promise<void> => {
    for (const region of name === undefined ? [...regions.values()] : [regions.get(name)]) {
      if (region === undefined) continue;
      regions.delete(region.name);
      await region.file.close();
    }
  };
  const part = (name: string, offset: number, byteSize: number): { readonly file: FileHandle; readonly at: number } => {
    const region = regions.get(name);
    if (region === undefined) throw new ConnectError(`Unable to find shared memory region: '${name}'`, Code.NotFound);
    if (offset + byteSize <= region.byteSize) return { file: region.file, at: region.offset + offset };
    throw invalid(`Invalid offset + byte size for shared memory region: '${name}'`);
  };
  return {
    status(name) {
      if (name === undefined) return Promise.resolve([...regions.values()]);
      const region = regions.get(name);
      if (region !== undefined) return Promise.resolve([region]);
      return Promise.reject(new ConnectError(`Unable to find system shared memory region: '${name}'`, Code.NotFound));
    },
    async register(region) {
      const taken = () => invalid(`shared memory region '${region.name}' already in manager`);
      if (regions.has(region.name)) throw taken();
      if (regions.size >= maxRegions) throw invalid(`Cannot register more than ${maxRegions} shared memory regions`);
      const file = await openRegion(directory, region);
      if (!regions.has(region.name)) return void regions.set(region.name, { ...region, file });
      await file.close();
      throw taken();
    },
    unregister,
    async read(name, offset, byteSize) {
      const { file, at } = part(name, offset, byteSize);
      const bytes = new Uint8Array(byteSize);
      for (let done = 0; done < byteSize;) {
        const { bytesRead } = await file.read(bytes, done, byteSize - done, at + done);
        if (bytesRead === 0) throw invalid(`Invalid offset + byte size for shared memory region: '${name}'`);
        done += bytesRead;
      }
      return bytes;
    },
    async write(name, offset, bytes) {
      const { file, at } = part(name, offset, bytes.length);
      // Writing past its end would make the client's memory longer, on the host's account.
      if ((await file.stat()).size < at + bytes.length) {
        throw invalid(`Invalid offset + byte size for shared memory region: '${name}'`);
      }
      for (let done = 0; done < bytes.length;) {
        done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
      }
    },
    [Symbol.asyncDispose]: () => unregister(),
  };
}

async function openRegion(directory: string, { key, offset, byteSize }: MemoryRegion): Promise<FileHandle> {
  if (!/^\/?[^/\0]+$/.test(key) || /^\/?\.\.?$/.test(key) || FOREIGN.test(key.startsWith("/") ? key : `/${key}`)) {
    throw invalid(`Unable to open shared memory region: '${key.replaceAll("\0", "\\0")}'`);
  }
  // When asked for: Workers may have no files, and load this all the same.
  const [{ constants }, { open }, { join }] = await Promise.all([
    import("node:fs"),
    import("node:fs/promises"),
    import("node:path"),
  ]);
  let file: FileHandle;
  try {
    file = await open(join(directory, key), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw new ConnectError(`Unable to open shared memory region: '${key}'`, Code.Internal, undefined, undefined, cause);
  }
  const stat = await file.stat();
  if (stat.isFile() && offset + byteSize <= stat.size) return file;
  await file.close();
  throw new ConnectError(`Invalid shared memory region: '${key}'`, Code.Internal);
}
