const OWN_NAME = /^wb-[a-zA-Z0-9_-]{1,76}$/;

/**
 * The name below which a user of a broker listens, where it is one of those that `waybill up` makes (`wb-…`): such a user may
 * subscribe to `wb.<namespace>.r.<name>.>` and `_INBOX_<name>.>` alone, so that nobody reads the answers to others. `undefined` for
 * all other names, which promise nothing.
 */
export function ownerOf(user: unknown): string | undefined {
  return typeof user === "string" && OWN_NAME.test(user) ? user : undefined;
}

/** First tokens of the subjects that answers to requests come to. */
export function inboxPrefixOf(owner: string | undefined): string {
  return owner === undefined ? "_INBOX" : `_INBOX_${owner}`;
}
