import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {string | number | null | unknown[]} Reply What a command answers. */

/**
 * Sends one command on a connection of its own. For setting up servers and looking into them, where the library's own client
 * would need what is being set up.
 *
 * @param {number} port on 127.0.0.1
 * @param {...(string | number)} args
 * @returns {Promise<Reply>} rejects with what the server says if it refuses the command
 */
export function redisCommand(port, ...args) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket
      .setEncoding('latin1')
      .setTimeout(20_000, () => socket.destroy(new Error(`${args[0]}: no reply within 20 s`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${args[0]}: the connection was closed before the reply`)));
    socket.on('data', (text) => {
      received += text;
      const reply = parse(received, 0);
      if (reply === undefined) return;
      if (reply.value instanceof Error) reject(reply.value);
      else resolve(reply.value);
      socket.destroy();
    });
    const words = args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`);
    socket.write(`*${words.length}\r\n${words.join('')}`);
  });
}

/**
 * Repeats a command, also one that fails, until its reply is as wished.
 *
 * @param {number} port
 * @param {Array<string | number>} args
 * @param {(reply: Reply) => boolean} wished
 * @param {number} [withinMs]
 */
export async function untilReply(port, args, wished, withinMs = 20_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const reply = await redisCommand(port, ...args).catch((/** @type {Error} */ error) => error);
    if (!(reply instanceof Error) && wished(reply)) return;
    if (Date.now() > deadline) {
      const last = reply instanceof Error ? reply.message : JSON.stringify(reply);
      throw new Error(`${args.join(' ')} on port ${port}: not as wished within ${withinMs} ms, but ${last}`);
    }
    await sleep(25);
  }
}

/**
 * Reads one reply of protocol version 2 from bytes held as characters.
 *
 * @param {string} text
 * @param {number} at
 * @returns {{ value: Reply | Error, next: number } | undefined} undefined: it is not complete
 */
function parse(text, at) {
  const end = text.indexOf('\r\n', at);
  if (end < 0) return undefined;
  const line = text.slice(at + 1, end);
  const next = end + 2;
  switch (text[at]) {
    case '+':
      return { value: line, next };
    case '-':
      return { value: new Error(line), next };
    case ':':
      return { value: Number(line), next };
    case '$': {
      if (line === '-1') return { value: null, next };
      const stop = next + Number(line);
      if (text.length < stop + 2) return undefined;
      return { value: Buffer.from(text.slice(next, stop), 'latin1').toString(), next: stop + 2 };
    }
    case '*':
      return line === '-1' ? { value: null, next } : parseArray(text, next, Number(line));
    default:
      return { value: new Error(`not a reply: ${text.slice(at, end)}`), next };
  }
}

/** @param {string} text @param {number} at @param {number} length */
function parseArray(text, at, length) {
  const value = [];
  let next = at;
  while (value.length < length) {
    const element = parse(text, next);
    if (element === undefined) return undefined;
    value.push(element.value instanceof Error ? element.value.message : element.value);
    next = element.next;
  }
  return { value, next };
}
