/** The runner's messages on stdin and stdout: four bytes of length, big-endian, then the protobuf message. */
export async function* readFrames(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = new Uint8Array(0);
  for await (const chunk of input) {
    const joined = new Uint8Array(held.length + chunk.length);
    joined.set(held);
    joined.set(chunk, held.length);
    held = joined;
    for (let end = frameEnd(held); end !== undefined; end = frameEnd(held)) {
      yield held.slice(4, end);
      held = held.slice(end);
    }
  }
}

/** A message with its length before it. */
export function frameOf(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, 4);
  return frame;
}

/** Where the first message ends, if all of it is there. */
function frameEnd(bytes: Uint8Array): number | undefined {
  if (bytes.length < 4) return undefined;
  const end = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return bytes.length < end ? undefined : end;
}
