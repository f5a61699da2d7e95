import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** Everything that a Redis is told, as it says itself. */
export class Monitor {
  /** Commands with their arguments, in order, without those of scripts. */
  readonly log: string[][] = [];

  private constructor(private readonly stop: () => void) {}

  static start(port: number): Promise<Monitor> {
    const socket = connect(port, '127.0.0.1');
    const monitor = new Monitor(() => socket.destroy());
    socket.write('MONITOR\r\n');
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      createInterface(socket).on('line', (line) => {
        if (line === '+OK') return resolve(monitor);
        const [head] = line.split(']', 1);
        if (head!.endsWith(' lua')) return;
        const words = [...line.slice(head!.length).matchAll(/"((?:[^"\\]|\\.)*)"/g)];
        monitor.log.push(words.map(([, word]) => word!.replaceAll('\\n', '\n').replaceAll('\\"', '"')));
      });
    });
  }

  /** The names of the commands that came, each once, sorted. */
  get names(): readonly string[] {
    return [...new Set(this.log.map(([name]) => name!.toLowerCase()))].sort();
  }

  /** The arguments of every command of a name. */
  of(name: string): readonly string[][] {
    return this.log.filter(([first]) => first!.toLowerCase() === name).map(([, ...args]) => args);
  }

  close(): void {
    this.stop();
  }
}
