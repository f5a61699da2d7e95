import type { Locator, Page } from 'playwright-core';

export type DeviceKind = 'phone' | 'laptop';

export class Device {
  readonly panel: Locator;
  readonly state: Locator;
  readonly notice: Locator;

  constructor(page: Page, kind: DeviceKind) {
    this.panel = page.locator(`[data-device="${kind}"]`);
    this.state = this.panel.getByRole('status');
    this.notice = this.panel.getByRole('alert');
  }

  /** Signs in and waits until the device hears of the end of its session. */
  async signIn(username = 'alice', deviceName?: string): Promise<void> {
    await this.panel.getByLabel('User').selectOption(username);
    if (deviceName !== undefined) await this.panel.getByLabel('Name of the device').fill(deviceName);
    await this.panel.getByRole('button', { name: 'Sign in' }).click();
    await this.says('signed in, live');
  }

  async says(state: string): Promise<void> {
    await this.state.getByText(state, { exact: true }).waitFor();
  }
}
