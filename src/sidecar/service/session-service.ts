import type { ServiceImpl } from "@connectrpc/connect";
import type { SessionService } from "../../../gen/waybill/v1/session_pb.ts";
import { mustBe, standingKey } from "../access.ts";
import type { Sessions } from "../session/sessions.ts";

/** The service of the machine's own workers. */
export function sessionService(sessions: Sessions): ServiceImpl<typeof SessionService> {
  return {
    async *attach(request, context) {
      mustBe("local", context.values.get(standingKey), "Cannot attach");
      yield* sessions.attach(request, context);
    },
    // What its session is, is a secret.
    batch: (request, context) => sessions.batch(request, context),
  };
}
