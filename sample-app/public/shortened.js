const SECRET_FIELDS = ['accessToken', 'refreshToken', 'ticket'];

/** A token with its middle left out. @param {string} token */
export function shortToken(token) {
  return token.length > 24 ? `${token.slice(0, 12)}…${token.slice(-4)}` : token;
}

/** JSON for people: tokens shortened, passwords left out. Text that is no JSON is given back. @param {string} json */
export function readableJson(json) {
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    return json;
  }
  return JSON.stringify(value, (name, field) => readableField(name, field), 2);
}

function readableField(name, field) {
  if (typeof field !== 'string') return field;
  if (SECRET_FIELDS.includes(name)) return shortToken(field);
  return name.toLowerCase().includes('password') ? '•••' : field;
}
