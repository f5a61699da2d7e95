import { type DynamicModule, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import 'reflect-metadata';
import {
  OperatorService,
  SessionModule,
  type SessionModuleOptions,
  SessionService,
  TokenService,
} from 'nestjs-latchkey';
import { SessionRuntime } from 'lib/session-runtime.js';

export const SECRET = 'a secret of the tests, of thirty-two bytes and more';

/** Budgets of tests that are not about them: a slow and busy machine keeps these, too. */
const PATIENT = { verifyBudget: '20s', loginBudget: '20s', endBudget: '20s' } as const;

/** Adds long budgets to the timing of a test, where it says nothing of them. */
export function patient<T extends object>(timing?: T): typeof PATIENT & T {
  return { ...PATIENT, ...timing } as typeof PATIENT & T;
}

/** What an application calls. */
export interface Services {
  readonly tokens: TokenService;
  readonly sessions: SessionService;
  readonly operators: OperatorService;
}

export function servicesOf(context: INestApplicationContext): Services {
  return {
    tokens: context.get(TokenService, { strict: false }),
    sessions: context.get(SessionService, { strict: false }),
    operators: context.get(OperatorService, { strict: false }),
  };
}

export interface Sessions extends Services {
  readonly context: INestApplicationContext;
  readonly runtime: SessionRuntime;
  close(): Promise<void>;
}

@Module({})
class Root {}

/** Starts a SessionModule as an application would, with a secret of the tests unless another is given. */
export async function startSessions(
  options: Partial<SessionModuleOptions>,
  providers: DynamicModule['providers'] = [],
): Promise<Sessions> {
  const session = SessionModule.forRoot({ secret: SECRET, ...options, timing: patient(options.timing) });
  const root: DynamicModule = { module: Root, imports: [session], providers };
  const context = await NestFactory.createApplicationContext(root, { logger: ['error'], abortOnError: false });
  const runtime = context.get(SessionRuntime, { strict: false });
  return { context, runtime, ...servicesOf(context), close: () => context.close() };
}
