/** An environment variable that the application cannot start with. The message is for whoever starts it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  /**
   * @param variable name of the environment variable
   * @param problem what is wrong with it and what it may be; never the value itself, which may be a secret
   */
  constructor(
    readonly variable: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${variable} ${problem}`, options);
  }
}
