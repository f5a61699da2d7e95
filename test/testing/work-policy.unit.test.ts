import { describe, it } from '@jest/globals';
import { type DevicePolicy, multiDevice, singleDevice } from 'nestjs-latchkey';
import { devicePolicyContract } from 'nestjs-latchkey/testing';

/** One session on kiosks, three elsewhere. */
const kiosksAndOthers: DevicePolicy = {
  name: 'kiosksAndOthers',
  decide: (login, live) =>
    (login.deviceType === 'kiosk' ? singleDevice() : multiDevice({ max: 3 })).decide(login, live),
};

describe('kiosksAndOthers', () => {
  for (const { name, run } of devicePolicyContract(kiosksAndOthers)) it(name, run);
});
