import { LineReader } from '../../../client/event-stream.js';

/** Reads `application/x-ndjson` from pieces of text, however they are cut. Empty lines are skipped; others must be JSON. */
export class JsonLinesParser<Value> {
  private readonly lines = new LineReader();

  push(piece: string): Value[] {
    return this.lines.push(piece).flatMap(parse<Value>);
  }

  /** The last line may lack its end. */
  end(): Value[] {
    return parse<Value>(this.lines.end());
  }
}

const parse = <Value>(line: string): Value[] => (line.trim() === '' ? [] : [JSON.parse(line) as Value]);
