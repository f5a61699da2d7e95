/** What holds for ends of all sessions of an account, or of the realm. Each may be switched off to see what it is for. */
export const EPOCH_RULES = {
  /** A row of an older epoch has ended, whatever its status says: of the account. */
  rowsGoByAccount: true,
  /** The same of the realm. */
  rowsGoByRealm: true,
  /** A near copy counts only if account and realm have not changed since it was read. It is looked at when it is used. */
  nearCheckedByEpoch: true,
  /** The same for a copy in Redis. */
  sharedCheckedByEpoch: true,
  /** Both are looked at: the account, */
  copiesGoByAccount: true,
  /** and the realm. */
  copiesGoByRealm: true,
  /** A ban raises the version of its account, which copies bear beside the epoch. */
  bansRaiseVersion: true,
  /** What came first is told by numbers, and not by times, which may be the same. */
  comparedByNumber: true,
  /** An end of all others gives the session that it keeps the new epoch in the same transaction. */
  keptInSameStep: true,
  /** A node hears of that no later than of the end. */
  keptHeardWithEnd: true,
  /** A copy below a known epoch refuses its holder only if no later version of the session is known, */
  refusedByLatestCopy: true,
  /** and only while all later versions are remembered: it must be younger than A. */
  refusedByYoungCopy: true,
  /** A slot begins with both epochs, so that a row that is not closed yet keeps no login out. */
  slotsBeginWithEpochs: true,
  /** A login that finds an end of its account in the log waits until all nodes have read that. */
  loginSettlesAccount: true,
  /** The same for an end of the realm that was not acknowledged. */
  loginSettlesRealm: true,
  /** A login looks after its commit for an end of the realm, whose epoch it had read before, and gives no token out. */
  loginLooksAgain: true,
  /** A row is closed only if it bears the epoch that ended. */
  closesItsEpoch: true,
  /** It gets the first end above its epochs, whoever closes it and for which end. */
  closedByFirstEnd: true,
};

export type EpochRule = keyof typeof EPOCH_RULES;
export type EpochRules = Readonly<Record<EpochRule, boolean>>;
