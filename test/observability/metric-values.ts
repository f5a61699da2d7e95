import type { Registry, RegistryContentType } from 'prom-client';

type AnyRegistry = Registry<RegistryContentType>;

/** The value of a metric with these labels, read as Prometheus reads it; undefined if it is not there. */
export async function valueOf(registry: AnyRegistry, name: string, labels: Record<string, string> = {}) {
  const wanted = { realm: 'users', ...labels };
  const line = (await registry.metrics()).split('\n').find((text) => {
    const [, own, list = ''] = /^(\w+)(?:\{(.*)\})? /.exec(text) ?? [];
    return own === name && Object.entries(wanted).every(([label, value]) => list.includes(`${label}="${value}"`));
  });
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

export const verifications = (registry: AnyRegistry, source: string, status: string) =>
  valueOf(registry, 'session_verifications_total', { source, status });
