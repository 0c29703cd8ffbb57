/**
 * What becomes of each recorded case where TypeScript twins of the recorded models are served. Cases that are named nowhere here are
 * replayed, and have to give the recorded status and body.
 *
 * @module
 */

/** An answer that differs from the recorded one on purpose. */
export interface Improvement {
  readonly reason: string;
  /** What is answered instead. Default: the recorded status. */
  readonly status?: number;
  /** What is answered instead. Default: the recorded body. */
  readonly body?: RegExp;
}

const CLIENTS_MISTAKE = "the client's mistake is 400, in the same words";
const mistakes = (...names: string[]) =>
  Object.fromEntries(names.map((name): [string, Improvement] => [name, { reason: CLIENTS_MISTAKE, status: 400 }]));

/** HTTP cases with another answer. */
export const httpImprovements: Readonly<Record<string, Improvement>> = {
  ...mistakes(
    "err_generate_malformed",
    "err_inputs_not_array",
    "err_json_array",
    "err_malformed_json",
    "err_missing_datatype",
    "err_missing_name",
    "err_neg_shape",
    "err_repo_index_malformed",
    "err_strings_for_fp32",
    "err_timeout_param_bad",
  ),
  err_repo_index_get: { reason: "GET on the index is answered as POST is", status: 200, body: /"add_sub"/ },
  infer_bytes_nonutf8_to_json: {
    reason: "bytes that are not UTF-8 are refused instead of making the JSON invalid",
    status: 400,
    body: /not UTF-8.*binary_data/,
  },
};

const ENGINE = "needs an engine that loads models from a repository";
const SEQUENCES = "needs a sequence batcher";
const waiting = (reason: string, ...names: string[]) => Object.fromEntries(names.map((name) => [name, reason]));

/** HTTP cases that cannot be replayed against operators. */
export const httpWaiting: Readonly<Record<string, string>> = {
  ...waiting(
    ENGINE,
    "config_add_sub_batch",
    "config_after_override",
    "config_ens",
    "config_mobilenet",
    "config_repeat",
    "err_repo_load_bad_config",
    "err_repo_load_broken",
    "err_repo_load_unknown",
    "err_repo_unload_unknown",
    "infer_after_unload",
    "infer_ok_ens",
    "repo_index_after_unload",
    "repo_load",
    "repo_load_config_override",
    "repo_unload",
    "repo_unload_dependents",
  ),
  ...waiting(SEQUENCES, "err_seq_no_id", "err_seq_string_id_for_uint64", "seq_1_start", "seq_2_mid", "seq_3_end"),
  ...waiting("belongs to the port of the metrics, whose test replays it", "metrics", "metrics_bad_path"),
  ...waiting("compares counters of a response cache", "stats_cached"),
};

/** gRPC cases with another answer. */
export const grpcImprovements: Readonly<Record<string, Improvement>> = {
  err_model_raises: {
    reason: "an operator has no file and line to tell, and its name stands for the instance's",
    body: /"INTERNAL".*boom in execute/,
  },
  server_metadata: {
    reason: "what is not enabled is not announced",
    body: /"triton".*"2\.51\.0".*"binary_tensor_data"/,
  },
};

/** gRPC cases that cannot be replayed against operators. */
export const grpcWaiting: Readonly<Record<string, string>> = {
  ...waiting(
    ENGINE,
    "err_repo_load_broken",
    "infer_after_unload",
    "infer_ok_ens",
    "model_config_v1",
    "repo_index",
    "repo_index_ready",
    "repo_unload",
  ),
  ...waiting(SEQUENCES, "err_seq_no_id", "seq_string_id", "stream_sequence"),
  ...waiting("needs CUDA", "cuda_shm_status", "err_cuda_shm_register_64"),
  malformed_protobuf: "is no message, which this way of calling cannot send; the test of the wire does, and gets the same code",
};

/** Cases of shared memory, in an order that makes sense; the test of shared memory replays them. */
export const memoryCases: { readonly http: readonly string[]; readonly grpc: readonly string[] } = {
  http: [
    "shm_status_empty",
    "shm_register",
    "err_shm_register_twice",
    "err_shm_infer_out_of_range",
    "err_shm_infer_unknown_region",
    "err_shm_output_too_small",
    "shm_unregister",
    "shm_unregister_all",
  ],
  grpc: [
    "shm_status_empty",
    "err_shm_status_unknown",
    "err_shm_register_too_big",
    "shm_register",
    "err_shm_size_mismatch",
    "err_shm_output_small",
    "shm_unregister",
    "shm_unregister_all",
  ],
};

/** Cases whose values depend on what ran before, so that the shape of the answer alone is compared. */
export const shapeOnly: ReadonlySet<string> = new Set(["stats_add_sub", "stats_all", "stats_v1", "model_stats_v1"]);

/** Names by what stands in front of their first underscore: one test each, as hundreds of them in a moment are too much for Node's reports. */
export function casesByKind(names: readonly string[]): [kind: string, names: string[]][] {
  const kinds = new Map<string, string[]>();
  for (const name of names) {
    const kind = name.split("_")[0]!;
    kinds.set(kind, [...kinds.get(kind) ?? [], name]);
  }
  return [...kinds];
}

/** What a value is made of, without what it says. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)]));
}
