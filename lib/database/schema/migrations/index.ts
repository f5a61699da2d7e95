import { CreateUserSession1763769600000 } from './1763769600000-create-user-session.js';
import { AddMemberMessages1764000000000 } from './1764000000000-add-member-messages.js';
import { AddSearch1764050000000 } from './1764050000000-add-search.js';
import { AddSightingsAndStatistics1764100000000 } from './1764100000000-add-sightings-and-statistics.js';

/** All migrations of the library, for the `migrations` of an application that wants to run them itself. */
export const sessionMigrations = [
  CreateUserSession1763769600000,
  AddMemberMessages1764000000000,
  AddSearch1764050000000,
  AddSightingsAndStatistics1764100000000,
] as const;
