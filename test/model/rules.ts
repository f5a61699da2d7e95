/** What the protocol asks of the nodes. The model without one of them shows what that one is for. */
export const RULES = {
  /** A shared copy counts only if its version is not below the one that the node knows of (so for all of W). */
  sharedCheckedAtUse: true,
  /** The same for a near copy, when it is used. */
  nearCheckedAtUse: true,
  /** The same for a near copy, when it is put there. */
  nearCheckedAtFill: true,
  /** A near copy is dropped when the node hears of a later version. */
  nearDroppedByChange: true,
  /** A copy that was read A ago or longer is not used. */
  copiesAge: true,
  /** The log keeps a change for A from when it became visible, and not from the time that it bears. */
  purgedWhenSeen: true,
  /** No copy is used if the last complete poll is older than max(D, G). */
  pollsAge: true,
  /** The age of a poll counts from its start, not from its end. */
  pollAgesFromStart: true,
  /** The first poll of a node reads the whole log. */
  wholeLogFirst: true,
  /** Any other poll reads what has become visible since the last complete one, whatever time it bears. */
  readInCommitOrder: true,
  /** What is known of changes outlives a time without use of copies. */
  windowOutlivesRetreat: true,
  /** Copies are used only after a poll that wrote so in the row. */
  announcedFirst: true,
  /** A poll writes the row before it reads the change log. */
  rowBeforeLog: true,
  /** The row says that no copies are used only when none are. */
  retreatBeforeRow: true,
  /** A row that is written late does not undo a later one. */
  rowsInOrder: true,
  /** What a row calls polled is the start of a poll that is complete. */
  polledMeansComplete: true,
  /** That start must be later than the list of members, and not the same by a clock that counts in steps. */
  polledLaterThanList: true,
  /** A node confirms a message after it has done what it says. */
  appliedBeforeAcknowledged: true,
  /** An end waits for the nodes whose rows say that they use copies. */
  waitsForMembers: true,
  /** Which ones these are is asked after the commit. */
  listedAfterCommit: true,
  /** A silent node is waited for until max(D, G) is over, not only D. */
  silenceCoversOutage: true,
  /** While a change is under way its node uses no copy. */
  heldDuringChange: true,
  /** An end that finds nothing to end waits for the others all the same. */
  secondEndWaits: true,
  /** A node that is told of a key uses no copy of it until its next poll. */
  keysHeld: true,
  /** The node of the end itself does the same. */
  ownKeysHeld: true,
  /** Only a poll that began after a key was held releases it. */
  keysReleasedByLaterPoll: true,
  /** A login looks for ends in the change log, and not by the times that they bear. */
  loginReadsLog: true,
  /** A request joins a read only if it has not been sent yet. */
  joinsUnsentReadsOnly: true,
} as const;

export type Rule = keyof typeof RULES;
export type Rules = Readonly<Record<Rule, boolean>>;

export function allRulesBut(...broken: readonly Rule[]): Rules {
  return { ...RULES, ...Object.fromEntries(broken.map((rule) => [rule, false])) };
}
