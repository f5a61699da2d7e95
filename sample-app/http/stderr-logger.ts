import { ConsoleLogger, type LogLevel } from '@nestjs/common';

/** Warnings and errors, all on stderr: stdout has the line that says where the application listens, and nothing else. */
export class StderrLogger extends ConsoleLogger {
  constructor() {
    super({ logLevels: ['warn', 'error', 'fatal'] });
  }

  protected override printMessages(messages: unknown[], context?: string, logLevel?: LogLevel): void {
    // Why it cannot listen, in Nest's words; start-problem.ts says it in those of the variables.
    if (context === 'NestApplication' && logLevel === 'error') return;
    super.printMessages(messages, context, logLevel, 'stderr');
  }
}
