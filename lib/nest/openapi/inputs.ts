import { RequestInput, readerOf } from '../http/request-input.js';
import { type Schema, object, text, time } from './schemas.js';

type Read = (input: RequestInput) => unknown;

/** Values that a parser needs to go on to its last field. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  ip: '192.0.2.1',
  sessionIds: [],
  confirm: 'end everything',
  reason: 'breach',
};

/** Records the fields that a parser asks for, with their types. */
class Described extends RequestInput {
  readonly schemas: Record<string, Schema> = {};

  constructor(source: 'query' | 'body') {
    super({}, source, {});
  }

  override value(name: string): unknown {
    return this.has(name, {});
  }

  override text(name: string, max: number): string | undefined {
    return this.has(name, Number.isFinite(max) ? { ...text, maxLength: max } : text) as string | undefined;
  }

  override textOrEmpty(name: string, max: number): string | undefined {
    return this.text(name, max);
  }

  override choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    return this.has(name, { ...text, enum: allowed }) as T | undefined;
  }

  override flag(name: string): boolean {
    return this.has(name, { type: 'boolean' }) === true;
  }

  override integer(name: string): number | undefined {
    return this.has(name, { type: 'integer' }) as number | undefined;
  }

  override time(name: string): number | undefined {
    return this.has(name, time) as number | undefined;
  }

  private has(name: string, schema: Schema): unknown {
    this.schemas[name] = schema;
    return SAMPLES[name];
  }
}

/** Describes the fields that a parser of a query or a body reads, all of them optional, by asking the parser itself. */
export function fieldsOf(read: Read, source: 'query' | 'body' = 'body'): Readonly<Record<string, Schema>> {
  const input = new Described(source);
  read(input);
  return input.schemas;
}

/** Describes the query or body of a handler as `swagger/apiParameters` has it. @param known schemas of fields that say more */
export function parametersOf(handler: object, known: Readonly<Record<string, Schema>> = {}): readonly object[] {
  const query = readerOf('query', handler);
  const body = readerOf('body', handler);
  const queries = query ? Object.entries(fieldsOf(query, 'query')) : [];
  const fields = body && { ...fieldsOf(body), ...known };
  return [
    ...queries.map(([name, schema]) => ({ in: 'query', name, required: false, schema })),
    ...(fields ? [{ in: 'body', type: String, required: false, schema: object(fields, ...Object.keys(fields)) }] : []),
  ];
}
