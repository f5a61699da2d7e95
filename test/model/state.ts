/** No copy, no read under way, no poll under way, no such change: in the place of an age. Ages stop below it. */
export const NONE = 7;

/** Where an end is. */
export enum Phase {
  Idle,
  /** Its row of the change log is written, and not committed. */
  Open,
  /** Committed; its node does not know yet. */
  Committed,
  /** Nobody waits for it any more: its node crashed, or never got the reply. */
  Abandoned,
  /** Applied and published, the members listed: waits for the other nodes to know the change. */
  Telling,
  /** Found nothing to end; published the key of what somebody else has ended, and waits for the others to hold it. */
  Asking,
  Acknowledged,
  /** Only where the members are listed too early. */
  ListedTooEarly,
}

export interface End {
  phase: Phase;
  /** What it made the version of the session, or found it to be. */
  version: number;
  /** Nodes, as bits, that have confirmed its message. */
  acknowledgedBy: number;
  /** Nodes that it need not wait for, by a list from before the commit. */
  notCaching: number;
  /** Whether the clock has moved on since it listed the members. */
  isLaterThanList: number;
}

/** The database, what the nodes share, and the ends under way. Ages are in ticks. */
export interface World {
  /** How many changes are committed. */
  version: number;
  hasEnded: number;
  /** By change: how long its row in the change log has been visible. */
  logged: number[];
  /** The same since it was written, which is the time that it bears. */
  written: number[];
  /** By version: the age of the latest live copy that was ever written to Redis. */
  shared: number[];
  ends: End[];
}

/** A node. A crash brings it back to the beginning, which is a new process. */
export interface Node {
  /** Whether it goes by copies, as long as its polls are recent. */
  isActive: number;
  /** Age of the last complete poll. */
  pollAge: number;
  /** The least version that a copy may have. */
  window: number;
  /** 1: no copy is used until a poll that has yet to begin is complete. 2: until the one under way is. */
  held: number;
  nearVersion: number;
  nearAge: number;
  /** A read of the database that was sent and not answered. */
  readVersion: number;
  readAge: number;
  /** Age of the poll under way. */
  runningPoll: number;
  /** What it has done, as bits. */
  pollDid: number;
  /** Whether it is the first one, or the node has used no copies. */
  pollIsWhole: number;
  /** What it writes in the row: whether the node uses copies. */
  pollCaching: number;
  /** The version that it found in the change log. */
  pollSaw: number;
  /** How many changes were visible to it, and to the last complete poll. */
  pollPosition: number;
  position: number;
  /** When the row was written: a bit for each end whose list of members is from before, and one for this very tick. */
  pollStamp: number;
  /** The same of the last complete poll. */
  lastStamp: number;
  /** What the node's row says: whether it uses copies, when it was written, which poll was complete. */
  rowCaching: number;
  rowAge: number;
  rowPolled: number;
  /** A poll that is long given up may still write into the row that no copies are used. */
  lateRow: number;
}

/** What happens, with the state that it is to change. */
export type Step = (who: string, what: string, change: (next: State) => void) => void;

export const NAMES = ['N', 'M'];

/** Of a stamp: the row was written in this very tick. */
export const NOW = 4;

export interface State {
  readonly world: World;
  readonly nodes: Node[];
}

export const newNode = (): Node => ({
  isActive: 0,
  pollAge: NONE,
  window: 0,
  held: 0,
  nearVersion: 0,
  nearAge: NONE,
  readVersion: 0,
  readAge: NONE,
  runningPoll: NONE,
  pollDid: 0,
  pollIsWhole: 0,
  pollCaching: 0,
  pollSaw: 0,
  pollPosition: 0,
  position: 0,
  pollStamp: 0,
  lastStamp: 0,
  rowCaching: 0,
  rowAge: 0,
  rowPolled: 0,
  lateRow: 0,
});

export const newEnd = (): End => ({
  phase: Phase.Idle,
  version: 0,
  acknowledgedBy: 0,
  notCaching: 0,
  isLaterThanList: 0,
});

// Written out, since there are millions of copies, and a spread takes ten times as long.
function copyOfNode(node: Node): Node {
  return {
    isActive: node.isActive,
    pollAge: node.pollAge,
    window: node.window,
    held: node.held,
    nearVersion: node.nearVersion,
    nearAge: node.nearAge,
    readVersion: node.readVersion,
    readAge: node.readAge,
    runningPoll: node.runningPoll,
    pollDid: node.pollDid,
    pollIsWhole: node.pollIsWhole,
    pollCaching: node.pollCaching,
    pollSaw: node.pollSaw,
    pollPosition: node.pollPosition,
    position: node.position,
    pollStamp: node.pollStamp,
    lastStamp: node.lastStamp,
    rowCaching: node.rowCaching,
    rowAge: node.rowAge,
    rowPolled: node.rowPolled,
    lateRow: node.lateRow,
  };
}

function copyOfEnd({ phase, version, acknowledgedBy, notCaching, isLaterThanList }: End): End {
  return { phase, version, acknowledgedBy, notCaching, isLaterThanList };
}

export function copyOf({ world, nodes }: State): State {
  const { version, hasEnded, logged, written, shared, ends } = world;
  return {
    world: {
      version,
      hasEnded,
      logged: logged.slice(),
      written: written.slice(),
      shared: shared.slice(),
      ends: ends.map(copyOfEnd),
    },
    nodes: nodes.map(copyOfNode),
  };
}

export function isWaiting({ phase }: End): boolean {
  return phase === Phase.Telling || phase === Phase.Asking;
}

function packNode(node: Node): number {
  let code = (node.isActive * 8 + node.pollAge) * 4 + node.window;
  code = (code * 4 + node.held) * 4 + node.nearVersion;
  code = (code * 8 + node.nearAge) * 4 + node.readVersion;
  code = (code * 8 + node.readAge) * 8 + node.runningPoll;
  code = ((code * 4 + node.pollDid) * 2 + node.pollIsWhole) * 2 + node.pollCaching;
  code = ((code * 4 + node.pollSaw) * 4 + node.pollPosition) * 4 + node.position;
  code = (code * 8 + node.pollStamp) * 8 + node.lastStamp;
  code = (code * 2 + node.rowCaching) * 8 + node.rowAge;
  return (code * 8 + node.rowPolled) * 2 + node.lateRow;
}

function packWorld({ version, hasEnded, logged, written, shared, ends }: World): number {
  let code = version * 2 + hasEnded;
  for (const age of logged) code = code * 8 + age;
  for (const age of written) code = code * 8 + age;
  for (const age of shared) code = code * 8 + age;
  for (const end of ends) {
    code = ((code * 8 + end.phase) * 4 + end.version) * 4 + end.acknowledgedBy;
    code = (code * 4 + end.notCaching) * 2 + end.isLaterThanList;
  }
  return code;
}

/** Gives each state a number. The parts have far fewer values than the whole, so each value of a part is numbered first. */
export class StateKeys {
  private readonly worlds = new Map<number, number>();
  private readonly nodes = new Map<number, number>();

  of({ world, nodes }: State): number {
    let key = idOf(this.worlds, packWorld(world));
    for (const node of nodes) key = key * MOST_PARTS + idOf(this.nodes, packNode(node));
    return key;
  }
}

const MOST_PARTS = 2 ** 17;

function idOf(ids: Map<number, number>, code: number): number {
  let id = ids.get(code);
  if (id === undefined) ids.set(code, (id = ids.size));
  if (id >= MOST_PARTS) throw new Error('More different parts of a state than a key has room for.');
  return id;
}
