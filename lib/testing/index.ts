export { type ActingUser, type TestUser, actingAs } from './acting-as.js';
export type { ContractCase } from './contract.js';
export type { RepositoriesUnderTest } from './contract-stage.js';
export { type FakeUser, fakeAuthGuard } from './fake-auth-guard.js';
export { ManualClock } from './manual-clock.js';
export { messengerContract } from './messenger-contract.js';
export { devicePolicyContract } from './policy-contract.js';
export { sessionRepositoryContract } from './repository-contract.js';
export { openSqlRepositories } from './sql-repositories.js';
export { SessionTestingModule } from './testing-module.js';

export type {
  MessageHandlers,
  Messenger,
  SharedBackend,
  SharedBackendFactory,
  SharedCache,
  SharedContext,
} from '../cluster/shared-cache.js';
export type { SessionRepository } from '../ports/session-repository.js';
