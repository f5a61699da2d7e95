/** Scalars only, never an object that a driver would interpret. */
export type SqlValue = string | number | null;

/** Text of a statement and its values, made by `sql` alone. */
export class Statement {
  constructor(
    /** One more chunk than there are values. */
    readonly chunks: readonly string[],
    readonly values: readonly SqlValue[],
  ) {}

  /** The text, with `placeholder(1)`, `placeholder(2)`... where the values go. */
  render(placeholder: (position: number) => string): string {
    return this.chunks.reduce((text, chunk, index) => text + placeholder(index) + chunk);
  }
}

/** Template tag: values become parameters, statements are put in as they are. */
export function sql(strings: TemplateStringsArray, ...parts: readonly (SqlValue | Statement)[]): Statement {
  const chunks = [strings[0]!];
  const values: SqlValue[] = [];
  parts.forEach((part, index) => {
    const after = strings[index + 1]!;
    if (part instanceof Statement) {
      chunks[chunks.length - 1] += part.chunks[0]!;
      chunks.push(...part.chunks.slice(1));
      chunks[chunks.length - 1] += after;
      values.push(...part.values);
    } else {
      chunks.push(after);
      values.push(part);
    }
  });
  return new Statement(chunks, values);
}

/** Text of our own, such as the name of a table. Never called with anything that came from outside. */
export function raw(text: string): Statement {
  return new Statement([text], []);
}

/** Statements one after the other with text between them. */
export function join(statements: readonly Statement[], separator: string): Statement {
  const chunks = [''];
  const values: SqlValue[] = [];
  statements.forEach((statement, index) => {
    const [first, ...others] = statement.chunks;
    chunks[chunks.length - 1] += (index === 0 ? '' : separator) + first!;
    chunks.push(...others);
    values.push(...statement.values);
  });
  return new Statement(chunks, values);
}

/** Keeps the planner from using an index for a residual filter. */
export function unindexed(condition: Statement): Statement {
  return sql`(${condition}) IS TRUE`;
}

export function list(values: readonly SqlValue[]): Statement {
  return join(
    values.map((value) => sql`${value}`),
    ', ',
  );
}

export type Row = Readonly<Record<string, unknown>>;

export interface QueryResult {
  readonly rows: readonly Row[];
  /** Rows that were changed; 0 for a query. */
  readonly affected: number;
}

export const NO_RESULT: QueryResult = { rows: [], affected: 0 };

/** A statement whose result the script does not look at before its transaction is committed: the next need not wait for it. */
export class Effect {
  result: QueryResult | null = null;

  constructor(
    readonly statement: Statement,
    /** Does nothing outside of its transaction, so that it need not wait until that is known to be open. */
    readonly isGuarded: boolean,
    /** Is sent right before COMMIT, after all other statements. */
    readonly isLast: boolean,
  ) {}
}

export function effect(statement: Statement, { isGuarded = false, isLast = false } = {}): Effect {
  return new Effect(statement, isGuarded, isLast);
}

/** A transaction that yields statements and is handed results. Runs with awaits or in one go, perhaps again: no side effects. */
export type Script<T> = Generator<Statement | Effect, T, QueryResult>;
