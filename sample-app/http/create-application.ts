import { BadRequestException, type DynamicModule, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { SampleConfig } from '../config/sample-config.js';
import { StderrLogger } from './stderr-logger.js';
import { unreadableAnswer } from './unreadable-request.js';

const BODY_LIMIT = 64 * 1024;

/**
 * Errors of the start reach the caller, who tells them in one line. The body parsers are set up by hand, so that both
 * adapters take the same: JSON, of any type, or no body at all.
 */
const OPTIONS = { abortOnError: false, logger: false, bodyParser: false } as const;

export async function createApplication(root: DynamicModule, config: SampleConfig): Promise<INestApplication> {
  const app = await (config.httpAdapter === 'fastify' ? onFastify(root) : onExpress(root));
  app.useLogger(new StderrLogger());
  return app;
}

async function onExpress(root: DynamicModule): Promise<INestApplication> {
  const app = await NestFactory.create<NestExpressApplication>(root, OPTIONS);
  app.disable('x-powered-by');
  app.disable('etag');
  app.useBodyParser('json', { limit: BODY_LIMIT, strict: false });
  return app;
}

async function onFastify(root: DynamicModule): Promise<INestApplication> {
  // Loaded where it is used: to load it takes a tenth of the start.
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    // While it stops, requests on open connections are still answered, as on Express.
    return503OnClosing: false,
    // A path that is not valid never reaches Nest.
    frameworkErrors: (_error: unknown, _request: unknown, reply: object) => {
      (reply as Reply).status(400).send(unreadableAnswer(400));
    },
    // Paths match as on Express, and a user id in one may be as long as a user id may be.
    routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, maxParamLength: 4096 },
  });
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter, OPTIONS);
  app.useBodyParser('application/json', {}, (_request, body, done) => {
    const value = parseJson(body);
    done(value instanceof Error ? value : null, value);
  });
  app.useBodyParser(['text/plain', '*'], {}, (_request, _body, done) => done(null, undefined));
  return app;
}

interface Reply {
  status(code: number): { send(body: unknown): unknown };
}

/** JSON of any type; undefined for no body. An error is returned, which Nest answers like every other one. */
function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    return new BadRequestException(undefined, { cause });
  }
}
