import type { wire } from './wire.js';

/** Parts of one SessionModule for its guard, admin, metrics and health checks, made by `wire`. Also their injection token. */
export type SessionRuntime = Awaited<ReturnType<typeof wire>>;

export const SessionRuntime = class {} as new () => SessionRuntime;

/** Optional packages that a subpath entry loads in the background: SessionModule waits for them before it starts. */
export const loading: Promise<unknown>[] = [];
