import { Inject } from '@nestjs/common';
import type { Abstract } from '@nestjs/common';
import { misused } from '../../model/session-error.js';
import { OperatorService } from '../../services/operator-service.js';
import { SessionService } from '../../services/session-service.js';
import { TokenService } from '../../services/token-service.js';

/** Injection token of a part of the SessionModule with a realm. Nest shows it if there is no such module. */
export function tokenOfRealm(realm: string, part: Pick<Abstract<unknown>, 'name'>): string {
  return `${part.name} of SessionModule.forRoot({ realm: "${realm}" })`;
}

/** @param call what was called, for the error @throws SessionError CONFIGURATION_INVALID unless the realm is text */
export function needRealm(realm: unknown, call: string): string {
  if (typeof realm === 'string' && realm !== '') return realm;
  const given = realm === '' ? 'an empty text' : realm === null ? 'null' : typeof realm;
  throw misused(`${call} needs the realm of a SessionModule, such as ${call}('staff'), and was given ${given}`);
}

/** Returns the injection token of the TokenService of a realm, for `inject` of a factory. */
export const getTokenServiceToken = (realm: string): string =>
  tokenOfRealm(needRealm(realm, 'getTokenServiceToken'), TokenService);

/** Injects the TokenService of a realm. By its class alone, it is injected where a module imports one SessionModule. */
export const InjectTokens = (realm: string): PropertyDecorator & ParameterDecorator =>
  Inject(tokenOfRealm(needRealm(realm, 'InjectTokens'), TokenService));

/** Injects the SessionService of a realm. */
export const InjectSessions = (realm: string): PropertyDecorator & ParameterDecorator =>
  Inject(tokenOfRealm(needRealm(realm, 'InjectSessions'), SessionService));

/** Injects the OperatorService of a realm. */
export const InjectOperators = (realm: string): PropertyDecorator & ParameterDecorator =>
  Inject(tokenOfRealm(needRealm(realm, 'InjectOperators'), OperatorService));
