/**
 * What PostgreSQL and MariaDB say in different words, as far as the benchmarks fill tables with it. Arguments are SQL.
 *
 * @param {import('typeorm').DataSource} source
 */
export function sqlOf(source) {
  const isPostgres = source.options.type === 'postgres';
  const bytes = (text) => (isPostgres ? `convert_to(${text}, 'UTF8')` : text);
  const hexText = (text) =>
    isPostgres ? `encode(convert_to(LOWER(${text}), 'UTF8'), 'hex')` : `LOWER(HEX(LOWER(${text})))`;
  const userHash = (user) => `CONCAT('5:users', LENGTH(${user}), ':', ${user})`;
  return {
    /** Rows with `i` from 1. @param {number} count */
    numbers: (count) =>
      isPostgres ? `generate_series(1, ${count}::bigint) AS n(i)` : `(SELECT seq AS i FROM seq_1_to_${count}) AS n`,
    md5: (value) => (isPostgres ? `MD5((${value})::text)` : `MD5(${value})`),
    /** A number as so many hexadecimal digits. */
    hex: (value, digits) => `LPAD(${isPostgres ? `to_hex(${value})` : `LOWER(HEX(${value}))`}, ${digits}, '0')`,
    /** One of the texts. @param {readonly string[]} texts @param {string} index from 0 */
    pick: (texts, index) => {
      const list = texts.map((text) => `'${text}'`).join(', ');
      return isPostgres ? `(ARRAY[${list}])[1 + ${index}]` : `ELT(1 + ${index}, ${list})`;
    },
    /** As userKey of lib/model makes it, for the realm `users` and ids of ASCII. */
    userKey: (user) =>
      isPostgres ? `encode(sha256(${bytes(userHash(user))}), 'hex')` : `SHA2(${userHash(user)}, 256)`,
    /** As searchKey of lib/database makes it, for short texts of ASCII. */
    searchKey: hexText,
    /** So that the server plans with what is there now. @param {string} table */
    analyze: (table) => source.query(isPostgres ? `VACUUM ANALYZE ${table}` : `ANALYZE TABLE ${table}`),
  };
}
