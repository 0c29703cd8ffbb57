import type { PreparedAnswer } from "../serving.ts";
import { errorJson } from "./answers.ts";

/** How answers are written one after the other. */
export interface StreamFormat {
  readonly contentType: string;
  item(json: string): string;
  error(json: string): string;
  /** Behind the last one. */
  readonly end: string;
}

/** As `generate_stream` has it: errors are events like others, and nothing tells the end. */
export const GENERATE_EVENTS: StreamFormat = {
  contentType: "text/event-stream; charset=utf-8",
  item: (json) => `data: ${json}\n\n`,
  error: (json) => `data: ${json}\n\n`,
  end: "",
};

/** Of `infer`: errors and the end are events of their own, so that nobody takes a broken stream for a whole one. */
export const INFER_EVENTS: StreamFormat = {
  contentType: "text/event-stream; charset=utf-8",
  item: (json) => `data: ${json}\n\n`,
  error: (json) => `event: error\ndata: ${json}\n\n`,
  end: "event: end\ndata: {}\n\n",
};

/** Of `infer`: one line each; a line with `error` is the last. */
export const INFER_LINES: StreamFormat = {
  contentType: "application/x-ndjson; charset=utf-8",
  item: (json) => `${json}\n`,
  error: (json) => `${json}\n`,
  end: "",
};

/**
 * Answers written as they come, asked for only as fast as they are read. A client that goes away ends them.
 *
 * @param first what came first already: its failure would have been the answer's status
 */
export function streamAnswer(
  format: StreamFormat,
  first: IteratorResult<PreparedAnswer, void>,
  rest: AsyncGenerator<PreparedAnswer, void>,
  encode: (answer: PreparedAnswer) => string,
  cancel: () => void,
): Response {
  const encoder = new TextEncoder();
  let next: IteratorResult<PreparedAnswer, void> | undefined = first;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const write = (text: string) => void (text !== "" && controller.enqueue(encoder.encode(text)));
      try {
        const { done, value } = next ?? await rest.next();
        next = undefined;
        if (done !== true) return write(format.item(encode(value)));
        write(format.end);
      } catch (error) {
        write(format.error(errorJson(error)));
        void rest.return();
      }
      controller.close();
    },
    async cancel() {
      cancel();
      await rest.return().catch(() => {});
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-type": format.contentType, "cache-control": "no-store" } });
}
