import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { LeaseService } from "../../gen/waybill/v1/lease_pb.ts";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import { SessionService } from "../../gen/waybill/v1/session_pb.ts";

/** Whether the node serves, as gRPC's health protocol tells it. */
export class NodeHealth {
  readonly #services: ReadonlySet<string> = new Set([
    "",
    NodeService.typeName,
    LeaseService.typeName,
    SessionService.typeName,
    Health.typeName,
  ]);
  #serving = true;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Whether it serves. */
  get serving(): boolean {
    return this.#serving;
  }

  /** It is about to end. */
  stopServing(): void {
    this.#serving = false;
    this.#changed.resolve();
  }

  /** `grpc.health.v1.Health`. */
  get service(): ServiceImpl<typeof Health> {
    return {
      check: ({ service }) => {
        if (this.#services.has(service)) return { status: this.#status };
        throw new ConnectError(`Cannot tell the health of "${service}": the node has no such service`, Code.NotFound);
      },
      watch: ({ service }, context) => this.#watch(service, context),
    };
  }

  get #status(): Status {
    return this.#serving ? Status.SERVING : Status.NOT_SERVING;
  }

  async *#watch(service: string, { signal }: HandlerContext): AsyncGenerator<{ status: Status }> {
    const left = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => left.resolve(), { once: true });
    if (!this.#services.has(service)) {
      // It never comes: services do not change while a node runs.
      yield { status: Status.SERVICE_UNKNOWN };
      return await left.promise;
    }
    yield { status: this.#status };
    if (this.#serving) await Promise.race([left.promise, this.#changed.promise]);
    if (!this.#serving) yield { status: this.#status };
  }
}
