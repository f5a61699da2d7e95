import { CreateUserSession1763769600000 } from './1763769600000-create-user-session.js';

/** All migrations of the library, for the `migrations` of an application that wants to run them itself. */
export const sessionMigrations = [CreateUserSession1763769600000] as const;
