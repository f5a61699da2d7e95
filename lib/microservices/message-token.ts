import { type Credential, MALFORMED, MISSING, readBearer } from '../nest/http/credential.js';

/** Contexts of Nest's transports, as far as they carry headers. */
interface TransportContext {
  /** NATS. */
  getHeaders?(): { get(name: string): string; has(name: string): boolean; values(name: string): string[] } | undefined;
  /** Kafka has `headers`, RabbitMQ `properties`. */
  getMessage?(): { headers?: object | null; properties?: { headers?: object | null } } | undefined;
  /** MQTT 5. */
  getPacket?(): { properties?: { userProperties?: object | null } } | undefined;
  /** TCP and Redis since Nest 12. */
  getMetadata?(): object | undefined;
  /** Metadata of gRPC. */
  get?(name: string): unknown;
}

/**
 * Reads the token of a message: `authorization: Bearer ...` among its headers, in any case, or a field of its payload. Two
 * that differ are malformed.
 * @param field name of the field; undefined for none
 */
export function messageToken(payload: unknown, context: unknown, field: string | undefined): Credential {
  const headers = headersOf((context ?? {}) as TransportContext).map((value) =>
    readBearer(Buffer.isBuffer(value) ? value.toString() : value),
  );
  const found = [...headers, fieldOf(payload, field)].filter(({ refusal }) => refusal !== 'TOKEN_MISSING');
  const [first = MISSING] = found;
  return found.every(({ token }) => token === first.token) ? first : MALFORMED;
}

function headersOf(context: TransportContext): readonly unknown[] {
  if (typeof context.get === 'function') return [context.get('authorization')].flat();
  const nats = context.getHeaders?.();
  if (nats) return ['authorization', 'Authorization'].flatMap((name) => nats.values(name));
  const { headers, properties } = context.getMessage?.() ?? {};
  const others = properties?.headers ?? context.getPacket?.()?.properties?.userProperties ?? context.getMetadata?.();
  const bag = headers ?? others ?? {};
  return Object.entries(bag).flatMap(([name, value]) => (name.toLowerCase() === 'authorization' ? [value].flat() : []));
}

/** Own fields only, so that no name reaches a prototype. */
function fieldOf(payload: unknown, field: string | undefined): Credential {
  if (field === undefined || typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, field)) {
    return MISSING;
  }
  const value = (payload as Record<string, unknown>)[field];
  if (value === undefined || value === null || value === '') return MISSING;
  return typeof value === 'string' ? readBearer(`Bearer ${value}`) : MALFORMED;
}
