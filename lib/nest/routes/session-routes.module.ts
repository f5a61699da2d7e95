import {
  Controller,
  type DynamicModule,
  Inject,
  Module,
  type OnModuleInit,
  RequestMethod,
  type Type,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { checkOptions } from '../../model/checked-input.js';
import { invalidOption } from '../../model/session-error.js';
import { SessionCookies } from '../cookies/session-cookies.js';
import { checkPath, isHeaderName, ofModule } from '../module/resolve-options.js';
import { GATEWAY_OPTIONS, GatewayController, GatewayOptions } from './gateway.controller.js';
import {
  REAUTHENTICATOR,
  ReauthenticationController,
  type Reauthenticator,
  SessionRoutesController,
} from './session-routes.controller.js';

/** Options of SessionRoutesModule. */
export class SessionRoutesOptions {
  /** Path of the routes, without slashes around it. */
  path?: string = 'auth';
  /** Modules that the routes need: the SessionModule, unless it is global. */
  imports?: DynamicModule['imports'] = [];
  /** Provider that checks passwords, for `POST reauthenticate`. Default: there is no such route. */
  reauthenticate?: Type<Reauthenticator>;
  /** Answers gateways at `verify`. Default: there is no such route. */
  gateway?: boolean | GatewayOptions = false;
}

const PATH = Symbol('path of SessionRoutesModule');

/**
 * Adds the routes that every application with sessions has: `POST refresh`, `POST logout`, `GET sessions`, `DELETE
 * sessions/:id`, `POST logout-others`, and as options say `POST reauthenticate` and `verify` for gateways. Login stays with
 * the application. docs/routes.md lists them.
 */
@Module({})
export class SessionRoutesModule implements OnModuleInit {
  /** @throws SessionError CONFIGURATION_INVALID naming the option */
  static forRoot(options: SessionRoutesOptions = {}): DynamicModule {
    const { path, imports, reauthenticate, gateway } = ofModule('SessionRoutesModule', () => resolve(options));
    const controllers = [
      SessionRoutesController,
      ...(reauthenticate ? [ReauthenticationController] : []),
      ...(gateway ? [GatewayController] : []),
    ];
    return {
      module: SessionRoutesModule,
      imports,
      controllers: controllers.map((controller) => at(path, controller)),
      providers: [
        { provide: PATH, useValue: path },
        { provide: REAUTHENTICATOR, useValue: reauthenticate },
        { provide: GATEWAY_OPTIONS, useValue: gateway },
      ],
    };
  }

  constructor(
    @Inject(PATH) private readonly path: string,
    private readonly cookies: SessionCookies,
    private readonly config: ApplicationConfig,
  ) {}

  /** Tells browsers where the refresh cookie goes, unless the option `refreshPath` does. */
  onModuleInit(): void {
    this.cookies.defaultRefreshPath = publicPath(`/${this.path}/refresh`, this.config);
  }
}

/** Makes a class of its own for each path, because several modules may have routes for different realms. */
function at(path: string, controller: Type): Type {
  const { name } = controller;
  const placed = { [name]: class extends controller {} }[name]!;
  Controller(path)(placed);
  return placed;
}

/** Returns the path of a POST route with the application's global prefix and default version. */
function publicPath(path: string, config: ApplicationConfig): string {
  const versioning = config.getVersioning();
  let version = '';
  if (versioning?.type === VersioningType.URI) {
    const [first] = [versioning.defaultVersion ?? VERSION_NEUTRAL].flat();
    const { prefix = 'v' } = versioning;
    if (first !== VERSION_NEUTRAL) version = `/${prefix === false ? '' : prefix}${String(first)}`;
  }
  const excluded = config.getGlobalPrefixOptions().exclude?.some(({ pathRegex, requestMethod }) => {
    return [RequestMethod.ALL, RequestMethod.POST].includes(requestMethod) && pathRegex.test(path);
  });
  const prefix = excluded ? '' : config.getGlobalPrefix().replace(/^\/*|\/*$/g, '');
  return `${prefix && `/${prefix}`}${version}${path}`;
}

type Resolved = Required<Pick<SessionRoutesOptions, 'path' | 'imports'>> &
  Pick<SessionRoutesOptions, 'reauthenticate'> & { readonly gateway: Required<GatewayOptions> | null };

function resolve(given: SessionRoutesOptions): Resolved {
  checkOptions(given, '', { ...new SessionRoutesOptions(), reauthenticate: true });
  const { path = 'auth', imports = [], reauthenticate, gateway = false } = given;
  if (reauthenticate !== undefined && typeof reauthenticate !== 'function') {
    throw invalidOption(
      'reauthenticate',
      'must be the class of a provider, with a method reauthenticate(session, password)',
    );
  }
  if (typeof gateway !== 'boolean') checkOptions(gateway, 'gateway.', new GatewayOptions());
  const { claims = {}, renew = false } = gateway === false || gateway === true ? {} : gateway;
  if (typeof renew !== 'boolean') throw invalidOption('gateway.renew', 'must be true or false');
  checkOptions(claims, 'gateway.claims', claims);
  const taken = ['x-user-id', 'x-session-id'];
  for (const [claim, header] of Object.entries(claims)) {
    if (!isHeaderName(header) || taken.includes(header.toLowerCase())) {
      throw invalidOption(`gateway.claims.${claim}`, 'must be the name of an HTTP header, which no other has');
    }
    taken.push(header.toLowerCase());
  }
  return { path: checkPath(path), imports, reauthenticate, gateway: gateway === false ? null : { claims, renew } };
}
