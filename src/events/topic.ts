import { Code, ConnectError } from "@connectrpc/connect";

/** A topic: its levels, or the same with dots between them. None at all is a topic too. */
export type Topic = string | readonly string[];

/** Most levels of a topic: they stand in a subject, which is a line of at most 4,096 characters. */
export const MAX_TOPIC_LEVELS = 16;

/**
 * The levels of a topic: `"jobs.done"` is `["jobs", "done"]`, and a level of a list may hold any character.
 *
 * @throws {ConnectError} `invalid_argument` for an empty level, or too many
 */
export function topicLevels(topic: Topic): readonly string[] {
  const levels = typeof topic !== "string" ? [...topic] : topic === "" ? [] : topic.split(".");
  if (levels.length <= MAX_TOPIC_LEVELS && levels.every((level) => typeof level === "string" && level !== "")) return levels;
  throw new ConnectError(
    `Cannot use the topic ${JSON.stringify(topic)}: it has 0 to ${MAX_TOPIC_LEVELS} levels, none of them empty`,
    Code.InvalidArgument,
  );
}
