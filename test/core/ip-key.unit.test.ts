import { BlockList, isIP } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clientAddress, ipKey, ipRange } from 'lib/ip-key.js';
import { rounds } from '../support/size.js';

const octet = fc.nat(255);
const v4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });

/** Every spelling: upper case, leading zeros, `::` for a run of zeros, the end as IPv4. */
const v6 = fc
  .tuple(groups, fc.boolean(), fc.boolean(), fc.nat(7), fc.nat(8), fc.boolean())
  .map(([all, upper, padded, from, to, mixed]) => {
    let parts = all.map((value) => value.toString(16).padStart(padded ? 4 : 1, '0'));
    if (mixed) {
      const [high, low] = [all[6]!, all[7]!];
      parts = [...parts.slice(0, 6), [high >> 8, high & 255, low >> 8, low & 255].join('.')];
    }
    const run = all.slice(from, to);
    const isRun = to > from && run.every((value) => value === 0) && (!mixed || to <= 6);
    const text = isRun ? `${parts.slice(0, from).join(':')}::${parts.slice(to).join(':')}` : parts.join(':');
    return {
      text: upper ? text.toUpperCase() : text,
      digits: all.map((v) => v.toString(16).padStart(4, '0')).join(''),
    };
  });
const v6Text = v6.map(({ text }) => text);
const pieces = fc.constantFrom('', ':', '::', '.', '0', 'g', '%', '/', ' ', '\0', '٣');
const mangled = fc
  .tuple(fc.oneof(v4, v6Text), fc.nat(45), pieces)
  .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at + 1));
const anyText = fc.oneof(v4, v6Text, mangled, fc.string());
/** Runs of a property: fewer outside of the soak. */
const RUNS = { numRuns: rounds('properties') };
const NO_TEXT = [null, undefined, 7, {}];

function inBlockList(network: string, bits: number, address: string): boolean {
  const list = new BlockList();
  const family = (text: string) => (text.includes(':') ? 'ipv6' : 'ipv4');
  list.addSubnet(network, bits, family(network));
  return list.check(address, family(address));
}

describe('the key of an address', () => {
  it('is given to what node:net takes for an address, and to nothing else', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const key = ipKey(text);
        expect(key !== null).toBe(isIP(text) !== 0);
        if (key !== null) expect(key).toMatch(/^[0-9a-f]{32}$/);
      }),
      RUNS,
    );
  });

  it('is the same for every spelling of an address', () => {
    fc.assert(
      fc.property(v6, ({ text, digits }) => expect(ipKey(text)).toBe(digits)),
      RUNS,
    );
    fc.assert(
      fc.property(v4, (text) => {
        expect(ipKey(`::ffff:${text}`)).toBe(ipKey(text));
        expect(ipKey(text)).toBe(`00000000000000000000ffff${Buffer.from(text.split('.').map(Number)).toString('hex')}`);
      }),
    );
  });

  const others = 'localhost 192.0.2.01 192.0.2.256 1.2.3 [::1] ::1% 1%'.split(' ');
  it.each([...NO_TEXT, [], ['192.0.2.1'], '', ...others])('is none for %j', (value) => expect(ipKey(value)).toBeNull());

  it('leaves out the zone of a link-local address', () => expect(ipKey('fe80::1%eth0')).toBe(ipKey('fe80::1')));
});

describe('the address of a client', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9:51234', '203.0.113.9'],
    ['[2001:db8::1]:51234', '2001:db8::1'],
    ['[2001:DB8::1]', '2001:db8::1'],
    [' 2001:db8::1 ', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:443', 'fe80::1'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['[::FFFF:203.0.113.9]:80', '203.0.113.9'],
    ['::ffff:cb00:7109', '203.0.113.9'],
  ])('is read from %j as proxies write it', (text, address) => expect(clientAddress(text)).toBe(address));

  it.each([
    ...'unknown _hidden - localhost:80 203.0.113.9: 203.0.113.9:x 203.0.113.999:1 :80 []:80'.split(' '),
    ...'[2001:db8::1 2001:db8::1]:1 [unknown]:1 <script>'.split(' '),
    ...['', '203.0.113.9, 198.51.100.1', 'x'.repeat(1e6), ['203.0.113.9'], ...NO_TEXT],
  ])('is none in %j', (text) => expect(clientAddress(text)).toBeNull());

  it('has one spelling, that of browsers', () => {
    const asV6 = v6.filter(({ digits }) => !digits.startsWith('00000000000000000000ffff'));
    fc.assert(
      fc.property(asV6, ({ text }) => expect(`[${clientAddress(text)}]`).toBe(new URL(`http://[${text}]`).hostname)),
      RUNS,
    );
  });

  it('is itself, or none: whatever was read fits its column and is read as the same again', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, isWrapped) => {
        const address = clientAddress(isWrapped ? `[${text}]:${text.length}` : text);
        if (address === null) return;
        expect(address.length).toBeLessThanOrEqual(45);
        expect(isIP(address)).not.toBe(0);
        expect(clientAddress(address)).toBe(address);
        if (isIP(text)) expect(ipKey(address)).toBe(ipKey(text));
      }),
      RUNS,
    );
  });
});

describe('the range of a network', () => {
  it('holds the addresses that node:net says, of the same family', () => {
    fc.assert(
      fc.property(v4, fc.nat(32), v4, fc.nat(32), (net, bits, other, keep) => {
        // Shares its first bits with the network, so that both answers come up.
        const [x, y] = [net, other].map((text) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0));
        const mask = keep === 0 ? 0 : (-1 << (32 - keep)) >>> 0;
        const value = ((x! & mask) | (y! & ~mask)) >>> 0;
        const address = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
        const range = ipRange(`${net}/${bits}`)!;
        const key = ipKey(address)!;
        expect(range.low <= key && key <= range.high).toBe(inBlockList(net, bits, address));
      }),
      RUNS,
    );
    fc.assert(
      fc.property(v6, fc.nat(128), v6, fc.nat(32), ({ text, digits }, bits, other, keep) => {
        const mixed = digits.slice(0, keep) + other.digits.slice(keep);
        const address = mixed.match(/.{4}/g)!.join(':');
        const range = ipRange(`${text}/${bits}`)!;
        expect(range.low <= mixed && mixed <= range.high).toBe(inBlockList(text, bits, address));
      }),
      RUNS,
    );
  });

  it.each([
    ['192.0.2.', '192.0.2.0/24'],
    ['192.0.', '192.0.0.0/16'],
    ['10.', '10.0.0.0/8'],
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.7:51234', '192.0.2.7/32'],
    ['[2001:DB8:0::7]:51234', '2001:db8::7/128'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '::ffff:0:0/96'],
    ['2001:DB8::/32', '2001:db8:ffff::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
  ])('%s is %s', (text, same) => {
    expect(ipRange(text)).not.toBeNull();
    expect(ipRange(text)).toEqual(ipRange(same));
  });

  it.each([
    ...'. .. 1.2.3.4. 256. 01. 1.. 1.2 ::1. / /8 10.0.0.0/ 10.0.0.0/33 10.0.0.0/08 10.0.0.0/-1 10.0.0.0/8/8'.split(' '),
    ...'::/129 ::/1e1 fe80::1%eth0/64 %'.split(' '),
    ...['', '10.0.0.0/ 8', "' OR 1=1 --", '\0', `${'1'.repeat(1_000_000)}.`, ':'.repeat(1_000_000)],
    ...[['10.'], ...NO_TEXT],
  ])('case %#: what is no range gives none', (value) => expect(ipRange(value)).toBeNull());

  it('of any text is none, or one in order', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          mangled.map((text) => `${text}/24`),
        ),
        (text) => {
          const range = ipRange(text);
          if (range) expect([/^[0-9a-f]{32}$/.test(range.low), range.low <= range.high]).toEqual([true, true]);
        },
      ),
      RUNS,
    );
  });
});
