import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { GRPCInferenceService } from "../../../gen/inference/grpc_service_pb.ts";
import { GRPCManagementService } from "../../../gen/inference/management_pb.ts";

type MethodsOf<S> = S extends GenService<infer M> ? M : never;

/** All methods of `inference.GRPCInferenceService`. */
export type KServeServiceType = GenService<
  MethodsOf<typeof GRPCInferenceService> & MethodsOf<typeof GRPCManagementService>
>;

/**
 * `inference.GRPCInferenceService` whole. Its description is kept in two files, so that programs that only call models need not
 * carry the messages of all the rest.
 */
export const KServeService: KServeServiceType = /* @__PURE__ */ joined(GRPCInferenceService, GRPCManagementService);

function joined(first: DescService, second: DescService): KServeServiceType {
  const service = Object.create(first) as Record<"methods" | "method", unknown>;
  // A method's path is its service's.
  const methods = [...first.methods, ...second.methods].map((method): DescMethod =>
    Object.assign(Object.create(method) as DescMethod, { parent: service })
  );
  service.methods = methods;
  service.method = Object.fromEntries(methods.map((method) => [method.localName, method]));
  return service as unknown as KServeServiceType;
}
