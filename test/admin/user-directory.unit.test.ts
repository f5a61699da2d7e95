import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConsoleLogger, Logger } from '@nestjs/common';
import { resolveAdminOptions } from 'lib/admin-options.js';
import { UserDirectory } from 'lib/user-directory.js';

describe('the names of users', () => {
  let warnings: unknown[];

  beforeEach(() => {
    warnings = [];
    const ignore = () => undefined;
    Logger.overrideLogger({ log: ignore, error: ignore, warn: (message: unknown) => warnings.push(message) });
  });

  afterEach(() => Logger.overrideLogger(new ConsoleLogger()));

  const directoryOf = (describeUsers: () => Promise<never>) =>
    new UserDirectory(resolveAdminOptions({ authorize: () => true, describeUsers }));

  it.each([
    ['do not come in time', () => new Promise<never>(() => undefined), 'no answer within 2000 ms'],
    ['cannot be had', () => Promise.reject(new Error('Out of order')), 'Out of order'],
  ])('are left out where they %s, which is reported once', async (_, describeUsers, problem) => {
    const directory = directoryOf(describeUsers);
    const answers = await Promise.all([directory.describe(['alice']), directory.describe(['bob'])]);
    expect(answers).toEqual([new Map(), new Map()]);
    expect(warnings).toEqual([`describeUsers failed; lists are shown without names: ${problem}`]);
  });

  it.each([[undefined], [null], ['alice'], [{ userId: 'alice' }], [[null]], [['alice']], [[{ name: 'Alice' }]]])(
    'are asked of a function that is named where it returns %j',
    async (nonsense) => {
      const directory = directoryOf(() => Promise.resolve(nonsense as never));
      expect(await directory.describe(['alice'])).toEqual(new Map());
      expect(warnings).toEqual([expect.stringContaining('"describeUsers" must return a list')]);
      await expect(directory.known('alice')).rejects.toMatchObject({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringContaining('"describeUsers" must return a list') as unknown,
      });
    },
  );
});
