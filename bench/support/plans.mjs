const LARGE = ['latchkey_session', 'latchkey_event', 'latchkey_sighting'];

/**
 * Which large tables the statements read from end to end, as the planner of the server means to.
 *
 * @param {import('typeorm').DataSource} source
 * @param {readonly { text: string, parameters?: unknown[] }[]} statements
 * @returns {Promise<string[]>} the statements that do
 */
export async function plansOf(source, statements) {
  const isPostgres = source.options.type === 'postgres';
  const scans = [];
  for (const { text, parameters } of statements) {
    if (!/^\s*SELECT\b/i.test(text) || !/latchkey_session/.test(text)) continue;
    const [row] = await source.query(`EXPLAIN ${isPostgres ? '(FORMAT JSON)' : 'FORMAT=JSON'} ${text}`, parameters);
    const plan = isPostgres ? row['QUERY PLAN'] : JSON.parse(row.EXPLAIN);
    const found = nodesOf(plan).filter(isPostgres ? isSequentialScan : isTableScan);
    if (found.length > 0) scans.push(text.replace(/\s+/g, ' '));
  }
  return scans;
}

function isSequentialScan(node) {
  return /Seq Scan/.test(node['Node Type'] ?? '') && LARGE.includes(node['Relation Name']);
}

/** `index` is a scan of the index from end to end, which a list that is walked in its order begins as well, and stops. */
function isTableScan(node) {
  return node.access_type === 'ALL' && LARGE.includes(node.table_name);
}

function nodesOf(value) {
  if (value === null || typeof value !== 'object') return [];
  return [value, ...Object.values(value).flatMap(nodesOf)];
}
