import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, codeFromString, codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";

/** An error as HTTP answers carry it. */
export interface HttpErrorBody {
  /** Connect's name of the code: `permission_denied`. */
  readonly code: string;
  /** For people. */
  readonly message: string;
}

/** An error's status and JSON body. */
export function errorToHttp(error: unknown): { status: number; body: HttpErrorBody } {
  const { code, rawMessage } = ConnectError.from(error, Code.Internal);
  // What we did not foresee may say what nobody outside is to know.
  const message = error instanceof ConnectError ? rawMessage : "Cannot answer: the server failed";
  // A store that is full is full for now (Connect's own 429 blames the client's rate).
  const status = code === Code.ResourceExhausted ? 507 : code === Code.OutOfRange ? 416 : codeToHttpStatus(code);
  return { status, body: { code: codeToString(code), message } };
}

/** The error that an answer stands for: its own code and message where it has them. */
export function errorFromHttp(action: string, status: number, text: string): ConnectError {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && "code" in body && "message" in body) {
      const code = typeof body.code === "string" ? codeFromString(body.code) : undefined;
      if (code !== undefined) return new ConnectError(String(body.message), code);
    }
  } catch {
    // Not ours: a proxy's page.
  }
  const redirected = status === 0 || (status >= 300 && status < 400);
  const code = redirected ? Code.Unavailable : codeFromHttpStatus(status);
  return new ConnectError(`Cannot ${action} over HTTP: the server answered ${status}`, code);
}
