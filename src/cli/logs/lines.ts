/** A line and whose it is. */
export interface LogLine {
  readonly name: string;
  readonly text: string;
}

/** When a line was written, as far as it says: JSON lines do. */
function timeOf(text: string): number | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { time } = JSON.parse(text) as { time?: unknown };
    const ms = typeof time === "string" ? Date.parse(time) : time;
    return typeof ms === "number" && !Number.isNaN(ms) ? ms : undefined;
  } catch {
    return undefined;
  }
}

/** Lines of several logs in the order of their times; one that tells none stays behind the one before it. */
export function inOrder(logs: readonly (readonly LogLine[])[]): LogLine[] {
  const timed = logs.flatMap((lines) => {
    let last = 0;
    return lines.map((line) => ({ line, time: last = timeOf(line.text) ?? last }));
  });
  return timed.sort((a, b) => a.time - b.time).map(({ line }) => line);
}
