export { type ActingUser, type TestUser, actingAs } from './acting-as.js';
export { type FakeUser, fakeAuthGuard } from './fake-auth-guard.js';
export { ManualClock } from './manual-clock.js';
export { SessionTestingModule } from './testing-module.js';
