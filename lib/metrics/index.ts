export { sessionMetrics } from './session-metrics.js';

export type { SessionMetricsOptions } from './session-metrics.js';
